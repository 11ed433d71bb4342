// What the scripts of the tab meet on a WebUI's page: the host functions they call, very small.
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
