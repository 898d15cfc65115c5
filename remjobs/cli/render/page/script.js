'use strict';
(() => {
  const byId = (id) => document.getElementById(id);
  const body = document.querySelector('#hosts tbody');
  const rows = [...body.rows];
  const groups = [...document.querySelectorAll('#output details')];
  const members = new Map(groups.map((group) => [group.id, []]));
  for (const row of rows) (members.get(row.dataset.group) || []).push(row);
  const bodies = new Map(groups.map((group) => [group.id, group.querySelector('.body')]));
  const states = [...document.querySelectorAll('#states button')];
  const texts = new Map();

  // Kept once it was needed: the page may hold megabytes of output.
  const textOf = (element) => {
    if (!texts.has(element)) texts.set(element, element.textContent.toLowerCase());
    return texts.get(element);
  };

  const filter = () => {
    const words = byId('search').value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = states.filter((b) => b.getAttribute('aria-pressed') === 'true').map((b) => b.value);
    let count = 0;
    for (const row of rows) {
      const group = bodies.get(row.dataset.group);
      const meant = (word) => textOf(row).includes(word) || textOf(group).includes(word);
      const shown = (!chosen.length || chosen.includes(row.dataset.state)) && words.every(meant);
      row.hidden = !shown;
      count += shown;
    }
    for (const group of groups) group.hidden = members.get(group.id).every((row) => row.hidden);
    byId('shown').textContent = `${count} of ${rows.length} hosts`;
  };

  const sort = () => {
    const key = byId('order').value;
    const falling = key === 'ran' || key === 'waited';
    const value = (row) => (row.dataset[key] === '' ? (falling ? -1 : Infinity) : Number(row.dataset[key]));
    const place = (row) => Number(row.dataset.place);
    const order = (a, b) => (falling ? value(b) - value(a) : value(a) - value(b)) || place(a) - place(b);
    body.append(...rows.sort(order));
  };

  byId('search').addEventListener('input', filter);
  byId('order').addEventListener('change', sort);
  for (const button of states) {
    button.addEventListener('click', () => {
      button.setAttribute('aria-pressed', String(button.getAttribute('aria-pressed') !== 'true'));
      filter();
    });
  }
  byId('unfold').addEventListener('click', () => {
    const open = byId('unfold').textContent === 'Unfold all';
    for (const group of groups) if (!group.hidden) group.open = open;
    byId('unfold').textContent = open ? 'Fold all' : 'Unfold all';
  });
  body.addEventListener('click', (event) => {
    const link = event.target.closest('a');
    if (link) byId(link.hash.slice(1)).open = true;
  });

  let folded = [];
  window.addEventListener('beforeprint', () => {
    folded = groups.filter((group) => !group.open);
    for (const group of folded) group.open = true;
  });
  window.addEventListener('afterprint', () => {
    for (const group of folded) group.open = false;
  });

  byId('controls').hidden = false;
  byId('unfold').hidden = false;
  filter();
})();
