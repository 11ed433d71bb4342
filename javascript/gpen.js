// Buttons of the GPEN tab start the host's progress bar; the comparison has a slider.

// Events hand over inputs and then outputs; only the inputs go back, with the task's id in front.
function gpenSubmit(values, count) {
    const id = typeof randomId === "function" ? randomId() : "";
    const results = gradioApp().getElementById("gpen_results");
    if (id && typeof requestProgress === "function") {
        requestProgress(id, results, null, function () {});
    }
    const inputs = Array.from(values).slice(0, count);
    inputs[0] = id;
    return inputs;
}

function gpen_submit_find() {
    return gpenSubmit(arguments, 6);
}

function gpen_submit_restore() {
    return gpenSubmit(arguments, 16);
}

document.addEventListener("input", function (event) {
    const frame = event.target.closest ? event.target.closest(".gpen-compare") : null;
    if (frame) {
        frame.style.setProperty("--gpen-cut", event.target.value + "%");
    }
});
