// What the form of an integration does beyond a plain form: it changes in place, asks before leaving, and shows a
// validation as it goes. Everything works without it.
(() => {
  'use strict';
  const { $, $$, furnish, guard, leave, trouble, unreachable } = rolebroker;

  const form = () => $('#integration-form');
  const fields = () => new URLSearchParams(new FormData(form()));
  // What would be saved: opening a row or a tab, looking for something and validating change nothing.
  const content = () => {
    const plain = [...new FormData(form())].filter(([name]) => /^(name|description|mode|runner|session_tags|source_identity|default)$/.test(name));
    return JSON.stringify([plain, $$('.role', form()).map((row) => [idOf(row), typed(row), $('[name$=".enabled"]', row).checked])]);
  };
  let saved = ''; // the content when the form was loaded
  const remember = () => {
    if (form() && !saved) saved = content();
  };
  guard(() => form() && $('#save') && (content() !== saved || $('#integration-form > .banner')));

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

  // toFocus is what somebody goes on with after a button.
  const toFocus = (action, next) => {
    const [what, row] = action.split('.');
    const open = $$('.role.open', next);
    const unfinished = open.flatMap((role) => $$('.fields input:not([type])', role)).find((field) => !field.value);
    const wrong = $('[aria-invalid]', next);
    const inside = wrong?.closest('details');
    if (inside) inside.open = true;
    return $('#integration-form > .banner') || $('.role .banner button', next) ||
      (what === 'add-role' || what === 'enter') && $('.name input', open.at(-1)) ||
      what === 'merge' && !wrong && $('#merged', next) ||
      what === 'open-role' && $('#role-' + row + '-name') || wrong ||
      what === 'add-several' && (unfinished || $('#added')) ||
      what === 'make-runner' && $('#runner') ||
      what !== 'save' && $$('button[name=action]', next).find((button) => button.value === action && button.checkVisibility()) || $('#add-role', next);
  };

  // Buttons send the form and have it swapped in place, so that nobody loses the
  // spot, or what was typed.
  const send = async (button) => {
    stop();
    clearTimeout(timer); // the answer says what has to be done in AWS
    const data = fields();
    data.delete('file'); // its text is in the field beside it
    if (button.name) data.set(button.name, button.value);
    const label = button.textContent;
    button.disabled = true;
    form().inert = true; // what would be typed now would be lost
    if (button.value === 'save') {
      button.textContent = 'Saving and validating…';
      $('#foot').textContent = ''; // it says what came of the last time
    }
    try {
      const answer = await fetch(form().getAttribute('action'), { method: 'POST', body: data });
      if (answer.redirected) {
        leave();
        location.assign(answer.url);
        return;
      }
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const next = page.querySelector('#integration-form');
      if (!next) {
        explain(answer.status, page);
      } else {
        keepOutcomes(form(), next);
        const open = openTab();
        form().replaceWith(next);
        reopen(open);
        htmx.process(next); // so that its step 3 follows what is typed, too
        begin();
        const focused = toFocus(button.value, next);
        focused.focus({ preventScroll: true });
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
  const rowOf = (element) => element.closest('#integration-form .role');
  const idOf = (row) => $('input[name$=".id"]', row)?.value || '';
  const value = (row, part) => $('[name$=".' + part + '"]', row)?.value ?? ($('.' + part, row)?.textContent || '');
  // The outcome of a validation stays with its role while the text fields stay the same.
  const typed = (row) => ['name', 'arn', 'region', 'duration'].map((part) => value(row, part)).join('\n');
  const isBlank = (row) => !idOf(row) && !['name', 'arn', 'duration'].some((part) => value(row, part));
  const keepOutcomes = (before, after) => {
    const known = new Map($$('.role', before).filter((row) => row.fresh).map((row) => [typed(row), row]));
    for (const row of $$('.role', after)) {
      const same = known.get(typed(row));
      if (!same || byCluster() && $('.outcome', row)) continue; // the runner's are newer
      row.fresh = true;
      outcomeOf(row).replaceWith(outcomeOf(same).cloneNode(true));
      const badge = $('.for-badge', row);
      if (badge && $('[name$=".enabled"]', row).checked) $('.outcome-badge', row).innerHTML = badge.innerHTML;
    }
  };
  // outcomeOf is the place of the outcome of a row.
  const outcomeOf = (row) => {
    if (!$('.outcome', row)) row.append(Object.assign(document.createElement('div'), { className: 'outcome' }));
    return $('.outcome', row);
  };
  const complete = (is) => {
    for (const step of $$('section.step', form())) step.classList.toggle('complete', is);
    if (!is) $('#roles-title .unseen')?.remove(); // which says that it is
  };
  const forgetOutcome = (row) => {
    if (!$('.outcome-badge', row).innerHTML.trim()) return;
    setOutcome(row, '', '');
    row.fresh = false;
    if ($('[name$=".enabled"]', row).checked) $('.outcome-badge', row).innerHTML = '';
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
  let watching = 0;
  const watch = () => {
    clearTimeout(watching);
    if (!form() || !trying().length) return;
    watching = setTimeout(async () => {
      try {
        const answer = await fetch(form().getAttribute('action'));
        const next = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('#integration-form');
        trouble('');
        if (!answer.ok || !next) return; // signed out, or the integration is gone: the next button says so
        for (const row of trying()) {
          const same = $$('.role', next).find((other) => idOf(other) === idOf(row) && typed(other) === typed(row));
          if (!same) continue;
          outcomeOf(row).replaceWith(outcomeOf(same));
          $('.outcome-badge', row).innerHTML = $('.outcome-badge', same).innerHTML;
        }
        furnish();
        if (!trying().length && content() === saved) {
          complete(!!$('section.step.complete', next));
          $('#foot').innerHTML = $('#foot', next).innerHTML;
        }
      } catch {
        unreachable(); // and tries again
      }
      watch();
    }, 2000);
  };

  // Validate shows each role's outcome as it comes.
  const setOutcome = (row, tone, html) => {
    const outcome = outcomeOf(row);
    row.fresh = true;
    outcome.className = 'outcome ' + tone;
    outcome.innerHTML = html;
    const badge = $('.for-badge', outcome);
    if (badge) $('.outcome-badge', row).innerHTML = badge.innerHTML;
    furnish();
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
    const rows = $$('.role', form()).filter((row, i, all) => !isBlank(row) || all.length === 1).map((row) => ({ row, typed: typed(row) }));
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
          const { row, typed: was } = rows.find((known) => known.row.id === 'role-' + line.row) || {};
          if (!row?.isConnected || typed(row) !== was) continue; // it is another role by now
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
    filter();
    button.disabled = false;
    if (document.activeElement === document.body) button.focus(); // it lost the focus when it was disabled
  };

  document.addEventListener('submit', (event) => {
    const button = event.submitter;
    if (event.target !== form() || !button) return; // another form, which would lose what is typed in this
    event.preventDefault();
    if (button.value === 'validate') validate(button);
    else if (/^select-/.test(button.value)) selectShown(button.value === 'select-all');
    else if (button.value === 'enter') press(document.activeElement?.closest('.runner-choice') ? '#make-runner' : '#save');
    else send(button);
  });
  const press = (button) => { if ($(button)) form().requestSubmit($(button)); };

  // Enter in a role goes to the next one, and adds it after the last one. It never saves; Ctrl-Enter and Command-Enter do.
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.isComposing || !form()?.contains(event.target) || event.target.matches('button, a, summary')) return;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      return press('#save');
    }
    const row = rowOf(event.target);
    if (event.target.id === 'find-role') event.preventDefault();
    if (!row) return;
    event.preventDefault();
    const open = $$('.role.open', form());
    const next = open[open.indexOf(row) + 1];
    const part = event.target.name.split('.').pop();
    if (next) ($('.name input[name$=".' + part + '"]', next) || $('.name input', next)).focus();
    else if (isBlank(row)) $('.name input', row).focus();
    else press('#add-role');
  });

  // Several ARNs that are pasted into a field for one make several roles.
  const addSeveral = (text) => {
    $('#several').value = withoutKeys(text);
    form().requestSubmit($('button[value="add-several"]', form()));
  };
  const withoutKeys = (text) => text.replace(/^([ \t]*aws_(?:access_key_id|secret_access_key|session_token|security_token)[ \t]*[=:]).*$/gim, '$1 removed');
  document.addEventListener('paste', (event) => {
    if (!form() || !event.target.matches?.('#integration-form .role input[name$=".arn"]')) return;
    const text = event.clipboardData.getData('text');
    if (text.trim().split(/\s+/).length < 2) return;
    event.preventDefault();
    addSeveral(text);
  });
  document.addEventListener('change', async (event) => {
    if (event.target.id !== 'several-file' || !event.target.files.length) return;
    const text = await event.target.files[0].text();
    event.target.value = '';
    addSeveral(text);
  });

  // The rows that have a text, or that fail. Open ones stay, because somebody works on them.
  const filter = () => {
    if (!$('#find-role')) return;
    const text = $('#find-role').value.trim().toLowerCase();
    const failing = $('[name=failing]', form()).checked;
    const rows = $$('.role', form());
    for (const row of rows) {
      const has = ['name', 'arn', 'region'].map((part) => value(row, part)).join(' ').toLowerCase().includes(text);
      row.hidden = !row.matches('.open') && !(has && (!failing || $('.badge.bad', row)));
    }
    const shown = rows.filter((row) => !row.hidden).length;
    $('#shown').textContent = text || failing ? shown + ' of ' + rows.length + ' shown' : rows.length + (rows.length === 1 ? ' role' : ' roles');
    for (const word of $$('.role-filter .which')) word.textContent = text || failing ? 'Shown' : 'All';
  };
  const selectShown = (to) => {
    for (const row of $$('.role:not([hidden])', form())) {
      const box = $('[name$=".enabled"]', row);
      if (box.checked === to) continue;
      box.checked = to;
      mark(row);
    }
    filter();
  };
  // mark says in the row, and in the choice of the default role, whether a role is selected, and what it is called.
  const mark = (row) => {
    const selected = $('[name$=".enabled"]', row).checked;
    const badge = $('.outcome-badge', row);
    if (selected && /not selected/.test(badge.textContent)) badge.innerHTML = $('.for-badge', row)?.innerHTML || '';
    if (!selected && !$('.for-badge', row)) outcomeOf(row).insertAdjacentHTML('afterbegin', '<span class="for-badge" hidden>' + badge.innerHTML + '</span>');
    if (!selected) badge.innerHTML = '<i class="badge off">not selected</i>';
    const number = row.id.slice('role-'.length);
    const option = $('#default option[value="' + number + '"]');
    if (option) option.textContent = (value(row, 'name') || 'Role ' + (+number + 1) + ', which has no name yet') + (selected ? '' : ' (not selected)');
    markDefault();
  };
  const markDefault = () => {
    const row = $('#role-' + ($('#default').value || 'none'));
    $('.default-off').hidden = !row || $('[name$=".enabled"]', row).checked;
  };

  // A new role gets its name from its ARN, and its region from the row above; the server does the same when it is asked.
  const completeRow = (row) => {
    if (idOf(row) || !row.matches('.open')) return;
    const iam = /^arn:[a-z-]+:iam::\d{12}:role\/(?:.*\/)?([\w+=,.@-]{1,64})$/.exec(value(row, 'arn'))?.[1];
    const name = iam?.replace(/[^\w.-]/g, '-').replace(/^[-._]+/, '');
    const others = $$('.role', form()).filter((other) => other !== row);
    const field = $('[name$=".name"]', row);
    if (name && !field.value && !others.some((other) => value(other, 'name') === name)) field.value = name;
    mark(row);
  };
  const fillRegions = (row) => {
    const region = value(row, 'region');
    for (let next = row.nextElementSibling; next; next = next.nextElementSibling) {
      const field = $('.fields [name$=".region"]', next);
      if (idOf(next) || !field || field.value) return;
      field.value = region;
    }
  };
  document.addEventListener('change', (event) => {
    if (event.target.id === 'default') markDefault();
    if (event.target.name === 'failing') filter();
    const row = rowOf(event.target);
    if (!row) return;
    if (event.target.name.endsWith('.arn')) completeRow(row);
    else if (event.target.name.endsWith('.region')) {
      fillRegions(row);
      const is = value(row, 'region').trim();
      $('.unknown-region', row).hidden = !is || $$('#regions option').some((option) => option.value === is);
    }
    mark(row);
  });
  document.addEventListener('input', (event) => {
    if (event.target.id === 'find-role') filter();
    if (event.target.name?.endsWith('.name') && rowOf(event.target)) mark(rowOf(event.target));
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
    if (event.detail.target?.id === 'setup') { // what has the focus keeps it
      event.detail.target.dataset.open = openTab();
      event.detail.target.dataset.focused = event.detail.target.contains(document.activeElement) && document.activeElement.getAttribute('aria-label') || '';
    }
  });
  document.addEventListener('htmx:afterSwap', (event) => {
    const { open, focused } = event.detail.target?.dataset || {};
    reopen(open);
    furnish();
    if (focused) $$('[aria-label]', event.detail.target).find((e) => e.getAttribute('aria-label') === focused && e.checkVisibility())?.focus();
  });

  const begin = () => {
    remember();
    furnish();
    watch();
  };
  begin();
})();
