// Buttons of the GPEN tab start the host's progress bar; the comparison has a slider.

// The inputs of an event go back with the id of the host's task in front.
// The bar appears above the line about the work, pictures in the making over the gallery.
function gpenSubmit(inputs, preview, lines) {
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
    return [id, ...inputs.slice(1)];
}

function gpen_submit_find(inputs) {
    return gpenSubmit(inputs, false);
}

function gpen_submit_restore(inputs) {
    return gpenSubmit(inputs, true);
}

function gpen_submit_convert(inputs) {
    return gpenSubmit(inputs, false, "gpen_converted");
}

document.addEventListener("input", function (event) {
    const frame = event.target.closest ? event.target.closest(".gpen-compare") : null;
    if (frame) {
        frame.style.setProperty("--gpen-cut", event.target.value + "%");
    }
});
