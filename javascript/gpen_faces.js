// A click on the picture of the faces adds the face under it to the chosen numbers, or takes it out.
// The page does this by itself: clicks that the server answers would, when they come quickly, all
// start from the numbers that stood there before the first.

// The numbers that a text names, of those there are; none by other words, which the click replaces.
function gpenNamed(text, numbers) {
    const parts = text.split(",").map((part) => part.match(/^\s*(\d+)\s*(?:-\s*(\d+)\s*)?$/));
    if (!parts.every(Boolean)) {
        return [];
    }
    const ranges = parts.map((part) => [Number(part[1]), Number(part[2] || part[1])]);
    return numbers.filter((n) => ranges.some(([first, last]) => first <= n && n <= last));
}

// Where in the picture, in its own pixels, a click on it was.
function gpenPoint(image, event) {
    const frame = image.getBoundingClientRect();
    const scale = Math.min(frame.width / image.naturalWidth, frame.height / image.naturalHeight);
    const middle = [frame.x + frame.width / 2, frame.y + frame.height / 2];
    return [
        (event.clientX - middle[0]) / scale + image.naturalWidth / 2,
        (event.clientY - middle[1]) / scale + image.naturalHeight / 2,
    ];
}

document.addEventListener("click", function (event) {
    const image = event.target.closest ? event.target.closest("#gpen_overlay img") : null;
    const found = image ? gradioApp().querySelector("#gpen_boxes [data-faces]") : null;
    if (!found) {
        return;
    }
    const faces = JSON.parse(found.dataset.faces);
    const [x, y] = gpenPoint(image, event);
    const side = ([left, top, right, bottom]) => Math.max(right - left, bottom - top);
    const hit = faces
        .filter(({box: [left, top, right, bottom]}) => left <= x && x <= right && top <= y && y <= bottom)
        .sort((one, other) => side(one.box) - side(other.box))[0];
    if (!hit) {
        return;
    }
    const box = gradioApp().querySelector("#gpen_faces textarea, #gpen_faces input");
    const numbers = faces.map((face) => face.index);
    const named = new Set(gpenNamed(box.value, numbers));
    if (!named.delete(hit.index)) {
        named.add(hit.index);
    }
    box.value = numbers.filter((number) => named.has(number)).join(",") || "all";
    box.dispatchEvent(new Event("input", {bubbles: true}));
});
