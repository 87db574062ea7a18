// What pages do beyond plain forms: copy, ask before leaving, and show a
// validation as it goes. Everything works without it.
(() => {
  'use strict';
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  document.documentElement.classList.add('scripted');

  // A copy button on every box of code.
  const addCopyButtons = () => {
    for (const box of $$('.code')) {
      if ($('button', box)) continue;
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'copy';
      button.textContent = 'Copy';
      button.setAttribute('aria-label', 'Copy ' + ($('pre', box).getAttribute('aria-label') || 'this'));
      button.addEventListener('click', async () => {
        await copy($('pre', box).textContent);
        button.textContent = 'Copied';
        setTimeout(() => { button.textContent = 'Copy'; }, 1500);
      });
      box.prepend(button);
    }
  };
  const copy = async (text) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const area = document.createElement('textarea'); // plain HTTP has no clipboard of its own
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  };

  const form = () => $('#integration-form');
  const fields = () => new URLSearchParams(new FormData(form()));
  let saved = '';      // what the form held when it was loaded
  let leaving = false; // somebody pressed a button that leaves on purpose

  const remember = () => {
    if (form() && !saved) saved = fields().toString();
  };
  window.addEventListener('beforeunload', (event) => {
    if (!form() || leaving || !$('#save')) return;
    if (fields().toString() !== saved || $('.banner.bad, .banner.warn', form())) event.preventDefault();
  });

  // Buttons that change the form swap it in place, so that nobody loses the spot.
  const swapForm = async (button) => {
    const data = fields();
    data.set('action', button.value);
    const answer = await fetch(form().getAttribute('action'), { method: 'POST', body: data });
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const next = page.querySelector('#integration-form');
    if (!next) { location.assign(answer.url); return; }
    keepOutcomes(form(), next);
    form().replaceWith(next);
    begin();
    const added = button.value === 'add-role' ? $$('.role .name input', next).pop() : null;
    const asked = $('.role .banner button', next);
    (added || asked || $('#add-role', next)).focus();
  };

  // What came of trying a role stays with it, as long as it is that role.
  const typed = (row) => $$('input', row).filter((field) => /\.(name|arn|region|duration)$/.test(field.name)).map((field) => field.value).join('\n');
  const keepOutcomes = (before, after) => {
    const known = new Map($$('.role', before).filter((row) => !$('.busy', row)).map((row) => [typed(row), row]));
    for (const row of $$('.role', after)) {
      const same = known.get(typed(row));
      if (!same) continue;
      $('.outcome', row).replaceWith($('.outcome', same).cloneNode(true));
      if (!$('.outcome-badge .badge', row)) $('.outcome-badge', row).innerHTML = $('.outcome-badge', same).innerHTML;
    }
  };
  const complete = (is) => {
    for (const step of $$('section.step', form())) step.classList.toggle('complete', is);
    if (!is) $('#roles-title .unseen')?.remove(); // which says that it is
  };
  const forgetOutcome = (row) => {
    if (!$('.outcome', row).innerHTML.trim()) return;
    setOutcome(row, '', '');
    $('.outcome-badge', row).innerHTML = '';
    complete(false);
    $('#foot').innerHTML = '<p class="sub">Roles are validated when you save, or now with Validate.</p>';
  };

  // Validate shows each role's outcome as it comes.
  const setOutcome = (row, tone, html) => {
    const outcome = $('.outcome', row);
    outcome.className = 'outcome ' + tone;
    outcome.innerHTML = html;
    const badge = $('.for-badge', outcome);
    if (badge) $('.outcome-badge', row).innerHTML = badge.innerHTML;
    addCopyButtons();
  };
  const validate = async (button) => {
    const rows = $$('.role', form());
    for (const row of rows) {
      setOutcome(row, '', '');
      $('.outcome-badge', row).innerHTML = '<span class="badge off"><span class="dot busy" aria-hidden="true"></span>checking</span>';
    }
    button.disabled = true;
    let known = 0;
    const foot = $('#foot');
    const count = () => { foot.innerHTML = '<p class="sub">' + known + ' of ' + rows.length + ' validated</p>'; };
    count();
    try {
      const answer = await fetch(form().dataset.validate, { method: 'POST', body: fields() });
      if (!answer.ok || !(answer.headers.get('Content-Type') || '').startsWith('application/x-ndjson')) throw new Error(answer.statusText);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ''; ;) {
        const { value, done } = await reader.read();
        const lines = (rest + (value || '')).split('\n');
        rest = lines.pop();
        for (const line of lines.filter(Boolean).map((text) => JSON.parse(text))) {
          if (line.row < 0) {
            foot.innerHTML = line.html;
            complete(line.tone === 'good');
            continue;
          }
          setOutcome(rows[line.row], line.tone, line.html);
          known++;
          count();
        }
        if (done) break;
      }
    } catch {
      leaving = true;
      button.disabled = false;
      button.dataset.plain = 'true';
      form().requestSubmit(button); // without the script, which says what is wrong
      return;
    }
    button.disabled = false;
    if (document.activeElement === document.body) button.focus(); // it lost the focus when it was disabled
  };

  document.addEventListener('submit', (event) => {
    const button = event.submitter;
    if (event.target !== form() || !button) return; // another form, which would lose what is typed in this
    if (button.value === 'validate' && !button.dataset.plain) {
      event.preventDefault();
      validate(button);
    } else if ('swap' in button.dataset) {
      event.preventDefault();
      swapForm(button);
    } else {
      leaving = true;
      if (button.value === 'save') $('#save').textContent = 'Saving and validating…';
    }
  });

  // What is typed changes what has to be done in AWS.
  let timer = 0;
  document.addEventListener('input', (event) => {
    const row = event.target.closest('#integration-form .role');
    if (row && /\.(arn|region|duration)$/.test(event.target.name)) forgetOutcome(row);
    if (!form() || !form().contains(event.target) || !/^(mode|role\.\d+\.(name|arn|duration)|name)$/.test(event.target.name)) return;
    clearTimeout(timer);
    timer = setTimeout(() => htmx.trigger('#setup', 'refresh'), 400);
  });
  document.addEventListener('htmx:beforeSwap', (event) => {
    if (event.detail.target.id === 'setup') { // the tab that is open stays open
      const open = $('#setup input:checked');
      event.detail.target.dataset.open = open ? open.id : '';
    }
  });
  document.addEventListener('htmx:afterSwap', (event) => {
    const open = event.detail.target.dataset.open;
    if (open && $('#' + open)) $('#' + open).checked = true;
    addCopyButtons();
  });

  const begin = () => {
    remember();
    addCopyButtons();
  };
  begin();
})();
