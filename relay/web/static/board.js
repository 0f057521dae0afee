// Moving an issue on a board: by its buttons, or by dragging it into another column.

// What a button asks for: a place among its neighbours, or the status of the column beside.
function wanted(item, move) {
  const path = `/issues/${item.dataset.id}`;
  const column = item.closest("[data-status]");
  if (move === "left" || move === "right") {
    const beside = move === "left" ? column.previousElementSibling : column.nextElementSibling;
    return beside && ["PATCH", path, { status_id: beside.dataset.status }];
  }
  const [near, far] = move === "up"
    ? [item.previousElementSibling, item.previousElementSibling?.previousElementSibling]
    : [item.nextElementSibling, item.nextElementSibling?.nextElementSibling];
  if (!near) return null;
  const [behind, before] = move === "up" ? [far, near] : [near, far];
  const body = { ...(behind && { after_id: behind.dataset.id }), ...(before && { before_id: before.dataset.id }) };
  return ["POST", `${path}/move`, body];
}

// `act(method, path, body)` asks the relay.
export function boards(content, act) {
  content.addEventListener("click", (click) => {
    const button = click.target.closest?.("[data-move]");
    const asked = button && wanted(button.closest(".issue"), button.dataset.move);
    if (asked) act(...asked);
  });
  let dragged = null;
  content.addEventListener("dragstart", (drag) => {
    dragged = drag.target.closest?.(".board .issue[draggable]");
  });
  content.addEventListener("dragend", () => { dragged = null; });
  content.addEventListener("dragover", (drag) => {
    if (dragged && drag.target.closest?.(".board [data-status]")) drag.preventDefault();
  });
  content.addEventListener("drop", (drop) => {
    const column = drop.target.closest?.(".board [data-status]");
    if (!dragged || !column) return;
    drop.preventDefault();
    if (!column.contains(dragged)) act("PATCH", `/issues/${dragged.dataset.id}`, { status_id: column.dataset.status });
    dragged = null;
  });
}
