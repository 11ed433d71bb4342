// What gpen.js meets on a WebUI's page: the host's functions it calls, as small as they can be.
const progressAsked = [];

function gradioApp() {
    return document;
}

function randomId() {
    return "task(" + Math.random().toString(36).slice(2) + ")";
}

function requestProgress(id, container) {
    progressAsked.push({id: id, container: container.id});
}
