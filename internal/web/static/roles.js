// Validating roles, and enabling them, shows how far it is. Without this file the page waits for the result.
(() => {
  'use strict';
  const { $, $$ } = rolebroker;
  const slow = ['validate', 'validate-all', 'enable'];
  let running = false;

  const show = (line) => {
    const box = $('#progress');
    const bar = $('progress', box);
    box.hidden = false;
    if (line.of) {
      bar.max = line.of;
      bar.value = line.done;
    }
    if (line.says) $('p', box).textContent = line.says;
    const row = line.role && $('[name=role][value="' + line.role + '"]')?.closest('li');
    if (!row) return; // it is on another page
    const state = $('summary > .badge', row);
    state.className = 'badge ' + line.tone;
    state.textContent = line.word;
  };
  const end = (says) => {
    running = false;
    for (const button of $$('button[name=action]')) button.disabled = false;
    if (says) $('#progress p').textContent = says;
  };

  const start = async (form, button) => {
    const fields = new URLSearchParams(new FormData(form, button));
    running = true;
    for (const other of $$('button[name=action]')) other.disabled = true;
    show({ says: 'Asking AWS.' });
    try {
      const answer = await fetch(form.getAttribute('action'), { method: 'POST', body: fields, headers: { Accept: 'application/x-ndjson' } });
      if (!(answer.headers.get('Content-Type') || '').startsWith('application/x-ndjson')) { // nothing was done: the page says why
        end('');
        form.requestSubmit(Object.assign(button, { plain: true }));
        return;
      }
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ''; ;) {
        const { value, done } = await reader.read();
        const lines = (rest + (value || '')).split('\n');
        rest = lines.pop();
        for (const line of lines.filter(Boolean).map((text) => JSON.parse(text))) {
          show(line);
          if (line.to) return location.assign(line.to);
        }
        if (done) break;
      }
      throw new Error('broken off');
    } catch {
      end('The validation was broken off. What was found out until then is kept.');
    }
  };

  document.addEventListener('submit', (event) => {
    const button = event.submitter;
    if (!button || button.name !== 'action' || !slow.includes(button.value) || button.plain) return;
    event.preventDefault();
    if (!running) start(event.target, button);
  });
})();
