// Buttons of the GPEN tab start the host's progress bar; the comparison has a slider.

// Events hand over inputs and then outputs; only the inputs go back, with the task's id in front.
// The bar appears above the line about the work, pictures in the making over the gallery.
function gpenSubmit(values, count, preview, lines) {
    const id = typeof randomId === "function" ? randomId() : "";
    const log = gradioApp().getElementById(lines || "gpen_log");
    if (id && log && typeof requestProgress === "function") {
        const results = gradioApp().getElementById("gpen_results");
        const gallery = preview ? gradioApp().getElementById("gpen_gallery") : null;
        // A picture that arrives while the host clears up stays behind; the style hides it by then.
        results.querySelectorAll(".livePreview").forEach((left) => left.remove());
        results.classList.add("gpen-busy");
        requestProgress(id, log, gallery, () => results.classList.remove("gpen-busy"));
    }
    const inputs = Array.from(values).slice(0, count);
    inputs[0] = id;
    return inputs;
}

function gpen_submit_find() {
    return gpenSubmit(arguments, 6, false);
}

function gpen_submit_restore() {
    return gpenSubmit(arguments, 19, true);
}

function gpen_submit_convert() {
    return gpenSubmit(arguments, 5, false, "gpen_converted");
}

document.addEventListener("input", function (event) {
    const frame = event.target.closest ? event.target.closest(".gpen-compare") : null;
    if (frame) {
        frame.style.setProperty("--gpen-cut", event.target.value + "%");
    }
});
