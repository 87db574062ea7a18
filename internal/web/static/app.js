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
    if (fields().toString() !== saved || $('#integration-form > .banner')) event.preventDefault();
  });

  // What went wrong is said at the foot, and what was typed stays.
  const say = (text, link) => {
    $('#foot').innerHTML = '<p class="problem"></p>';
    $('#foot p').textContent = text + ' ';
    if (link) {
      const a = document.createElement('a');
      a.href = link;
      a.target = '_blank';
      a.rel = 'noopener';
      a.textContent = 'Sign in';
      $('#foot p').append(a);
    }
  };
  const explain = (status, page) => {
    if (status === 401) return say('You are signed out. Sign in in another tab, then press the button again; nothing here is lost.', document.body.dataset.signIn);
    const reason = page && $('.message p', page);
    say(reason ? reason.textContent : 'The server did not answer. Nothing is lost; try again.');
  };

  // The tab that is open stays open when its content is another.
  const openTab = () => $('#setup input:checked')?.id || '';
  const reopen = (tab) => {
    if (tab && $('#' + tab)) $('#' + tab).checked = true;
  };

  // Buttons send the form and have it swapped in place, so that nobody loses the
  // spot, or what was typed.
  const send = async (button) => {
    stop();
    clearTimeout(timer); // the answer says what has to be done in AWS
    const data = fields();
    data.set('action', button.value);
    const label = button.textContent;
    button.disabled = true;
    form().inert = true; // what would be typed now would be lost
    if (button.value === 'save') button.textContent = 'Saving and validating…';
    try {
      const answer = await fetch(form().getAttribute('action'), { method: 'POST', body: data });
      if (answer.redirected) {
        leaving = true;
        location.assign(answer.url);
        return;
      }
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const next = page.querySelector('#integration-form');
      if (!next) {
        explain(answer.status, page);
      } else {
        if (button.value !== 'save') keepOutcomes(form(), next);
        const open = openTab();
        form().replaceWith(next);
        reopen(open);
        htmx.process(next); // so that its step 3 follows what is typed, too
        begin();
        const added = button.value === 'add-role' ? $$('.role .name input', next).pop() : null;
        const made = button.value === 'make-runner' ? $('#runner', next) : null;
        const asked = $('#integration-form > .banner', document) || $('.role .banner button', next) || $('[aria-invalid]', next);
        const focused = added || asked || made || $('#add-role', next);
        focused.focus();
        focused.scrollIntoView({ block: 'nearest' });
        return;
      }
    } catch {
      explain(0);
    }
    form().inert = false;
    button.disabled = false;
    button.textContent = label;
    button.focus();
  };

  // The text fields of a role. Its other fields have a type.
  const textFields = 'input:not([type]), textarea';
  // The outcome of a validation stays with its role while the text fields stay the same.
  const typed = (row) => $$(textFields, row).map((field) => field.value).join('\n');
  const keepOutcomes = (before, after) => {
    const known = new Map($$('.role', before).filter((row) => !$('.busy', row)).map((row) => [typed(row), row]));
    for (const row of $$('.role', after)) {
      const same = known.get(typed(row));
      if (!same || byCluster() && $('.outcome', row).innerHTML.trim()) continue; // the runner's are newer
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
    sayUntried();
  };
  const byCluster = () => $('#mode-cluster').checked;
  const sayUntried = () => {
    complete(false);
    let text = 'Roles are validated when you save, or now with Validate.';
    if (byCluster()) text = $('#runner')?.value ? 'The runner tries the roles once they are saved, or now with Validate.' : 'No agent gets these roles until you choose a runner.';
    $('#foot').innerHTML = '<p class="sub">' + text + '</p>';
  };

  // While a runner tries the roles that are saved, what it finds out is fetched.
  const trying = () => $$('.role:has([data-trying])', form());
  const idOf = (row) => $('input[name$=".id"]', row).value;
  let watching = 0;
  const watch = () => {
    clearTimeout(watching);
    if (!form() || !trying().length) return;
    watching = setTimeout(async () => {
      try {
        const answer = await fetch(form().getAttribute('action'));
        const next = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('#integration-form');
        if (!answer.ok || !next) return; // signed out, or the integration is gone: the next button says so
        for (const row of trying()) {
          const same = $$('.role', next).find((other) => idOf(other) === idOf(row) && typed(other) === typed(row));
          if (!same) continue;
          $('.outcome', row).replaceWith($('.outcome', same));
          $('.outcome-badge', row).innerHTML = $('.outcome-badge', same).innerHTML;
        }
        addCopyButtons();
        if (!trying().length && fields().toString() === saved) {
          complete(!!$('section.step.complete', next));
          $('#foot').innerHTML = $('#foot', next).innerHTML;
        }
      } catch { /* another time */ }
      watch();
    }, 2000);
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
  let running = null; // the validation that is on its way
  const stop = () => {
    if (!running) return;
    running.abort();
    running = null;
    for (const badge of $$('.badge:has(.busy)', form())) badge.remove();
    $('#validate').disabled = false;
  };
  const validate = async (button) => {
    stop();
    const mine = running = new AbortController();
    const rows = $$('.role', form()).map((row) => ({ row, typed: typed(row) }));
    for (const { row } of rows) {
      setOutcome(row, '', '');
      $('.outcome-badge', row).innerHTML = '<span class="badge off"><span class="dot busy" aria-hidden="true"></span>checking</span>';
    }
    button.disabled = true;
    let known = 0;
    const count = () => { $('#foot').innerHTML = '<p class="sub">' + known + ' of ' + rows.length + ' validated</p>'; };
    count();
    try {
      const answer = await fetch(form().dataset.validate, { method: 'POST', body: fields(), signal: mine.signal });
      if (!answer.ok || !(answer.headers.get('Content-Type') || '').startsWith('application/x-ndjson')) {
        const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
        stop();
        explain(answer.status, page);
        return;
      }
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ''; ;) {
        const { value, done } = await reader.read();
        const lines = (rest + (value || '')).split('\n');
        rest = lines.pop();
        for (const line of lines.filter(Boolean).map((text) => JSON.parse(text))) {
          if (running !== mine) return;
          if (line.row < 0) {
            $('#foot').innerHTML = line.html;
            complete(line.tone === 'good');
            continue;
          }
          const { row, typed: was } = rows[line.row];
          if (!row.isConnected || typed(row) !== was) continue; // it is another role by now
          if (line.tone === 'again') {
            setOutcome(row, '', line.html); // the badge still says checking
            continue;
          }
          setOutcome(row, line.tone, line.html);
          known++;
          count();
        }
        if (done) break;
      }
      if (running === mine && $('.busy', form())) throw new Error('broken off');
    } catch {
      if (running !== mine) return; // somebody changed something, which ended it
      stop();
      explain(0);
      return;
    }
    running = null;
    button.disabled = false;
    if (document.activeElement === document.body) button.focus(); // it lost the focus when it was disabled
  };

  document.addEventListener('submit', (event) => {
    const button = event.submitter;
    if (event.target !== form() || !button) return; // another form, which would lose what is typed in this
    event.preventDefault();
    if (button.value === 'validate') validate(button);
    else send(button);
  });

  // What is typed changes what has to be done in AWS.
  let timer = 0;
  document.addEventListener('input', (event) => {
    const row = event.target.closest('#integration-form .role');
    if (row && event.target.matches(textFields) && !event.target.name.endsWith('.name')) {
      if (running) {
        stop();
        $('#foot').innerHTML = '<p class="sub">The validation ended, because a role was changed. Press Validate again.</p>';
      }
      forgetOutcome(row);
    }
    if (form()?.contains(event.target) && /^(mode|runner)$/.test(event.target.name)) {
      stop();
      $$('.role', form()).forEach(forgetOutcome); // what one can assume says nothing of another
      sayUntried();
    }
    if (!form() || !form().contains(event.target) || !/^(mode|runner|role\.\d+\.(name|arn|duration)|name)$/.test(event.target.name)) return;
    clearTimeout(timer);
    timer = setTimeout(() => htmx.trigger('#setup', 'refresh'), 400);
  });
  document.addEventListener('htmx:beforeSwap', (event) => {
    const chosen = getSelection(); // somebody is about to copy it
    if (!chosen.isCollapsed && event.detail.target?.id !== 'setup' && event.detail.target?.contains(chosen.anchorNode)) event.detail.shouldSwap = false;
    if (event.detail.target?.id === 'setup') { // what has the focus keeps it
      event.detail.target.dataset.open = openTab();
      event.detail.target.dataset.focused = event.detail.target.contains(document.activeElement) && document.activeElement.getAttribute('aria-label') || '';
    }
  });
  document.addEventListener('htmx:afterSwap', (event) => {
    const { open, focused } = event.detail.target?.dataset || {};
    reopen(open);
    addCopyButtons();
    if (focused) $$('[aria-label]', event.detail.target).find((e) => e.getAttribute('aria-label') === focused && e.checkVisibility())?.focus();
  });

  const begin = () => {
    remember();
    addCopyButtons();
    watch();
  };
  begin();
})();
