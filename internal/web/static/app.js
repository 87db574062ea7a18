// What every page does beyond plain forms: copy, close what opened, search everything, and say when the server cannot be
// reached. Everything works without it.
const rolebroker = (() => {
  'use strict';
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  document.documentElement.classList.add('scripted');

  // A copy button on every box of code, and after every value.
  const copyButton = (label, source) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'copy';
    button.textContent = 'Copy';
    button.setAttribute('aria-label', 'Copy ' + label);
    button.addEventListener('click', async () => {
      await copy(source.textContent);
      button.textContent = 'Copied';
      setTimeout(() => { button.textContent = 'Copy'; }, 1500);
    });
    return button;
  };
  const addCopyButtons = () => {
    for (const box of $$('.code')) {
      if (!$('button', box)) box.prepend(copyButton($('pre', box).getAttribute('aria-label') || 'this', $('pre', box)));
    }
    for (const value of $$('.value')) {
      if (!$('button', value)) value.append(' ', copyButton(value.dataset.label, $('code', value)));
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

  // What opens over the page has a button that closes it. Escape closes it too, and so does a press outside of it.
  const popovers = 'details.confirm, details.menu';
  const close = (details) => {
    details.open = false;
    $('summary', details).focus();
  };
  const addCancelButtons = () => {
    for (const box of $$('details.confirm > div')) {
      if ($('.cancel', box)) continue;
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'cancel';
      button.textContent = 'Cancel';
      button.addEventListener('click', () => close(box.parentElement));
      const last = $$('form button:not(.copy)', box).pop();
      if (last) last.after(' ', button);
      else box.append(button);
    }
  };
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    const open = $$(popovers).filter((details) => details.open).pop();
    if (!open) return;
    event.preventDefault();
    close(open);
  });
  document.addEventListener('pointerdown', (event) => {
    for (const details of $$(popovers)) {
      if (details.open && !details.contains(event.target)) details.open = false;
    }
  });

  // A reason to deny is typed next.
  document.addEventListener('toggle', (event) => {
    if (event.target.open && event.target.matches('.deny')) $('input', event.target).focus();
  }, true);

  // "/" and Ctrl-K or Command-K lead to the search of everything. The arrow keys go through what it found.
  const find = $('#find');
  const isTyping = (element) => element.matches('input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]');
  const forget = () => { $('#found').innerHTML = ''; };
  document.addEventListener('keydown', (event) => {
    if (!find) return;
    const slash = event.key === '/' && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target);
    const command = event.key.toLowerCase() === 'k' && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
    if (slash || command) {
      event.preventDefault();
      find.focus();
      find.select();
      return;
    }
    if (!event.target.closest('.find')) return;
    const links = [find, ...$$('#found a')];
    const at = links.indexOf(event.target);
    if (event.key === 'Escape') {
      forget();
      find.value = '';
      find.focus();
    } else if (at >= 0 && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
      event.preventDefault();
      links[Math.max(0, Math.min(links.length - 1, at + (event.key === 'ArrowDown' ? 1 : -1)))].focus();
    }
  });
  document.addEventListener('pointerdown', (event) => {
    if (find && !event.target.closest('.find')) forget();
  });

  // A page that updates itself, or searches while people type, says when that no longer works.
  const trouble = (text, link) => {
    const line = $('#trouble');
    if (!line) return;
    line.hidden = !text;
    line.textContent = text;
    if (!link) return;
    const a = document.createElement('a');
    a.href = link.address;
    a.textContent = link.text;
    line.append(' ', a);
  };
  const unreachable = () => trouble('The server does not answer. What you see may be old; the page tries again.',
    { text: 'Reload', address: location.href });
  document.addEventListener('htmx:sendError', unreachable);
  document.addEventListener('htmx:timeout', unreachable);
  document.addEventListener('htmx:responseError', (event) => {
    const { status } = event.detail.xhr;
    if (status === 401) trouble('You are signed out. What you see may be old.', { text: 'Sign in', address: document.body.dataset.signIn });
    else trouble('The server could not answer (' + status + '). What you see may be old.', { text: 'Reload', address: location.href });
  });
  document.addEventListener('htmx:afterOnLoad', (event) => {
    if (event.detail.xhr.status < 400) trouble('');
  });

  // A link to a field that is not right focuses it. A button that offers a value puts it into its field.
  document.addEventListener('click', (event) => {
    const link = event.target.closest('.faults a');
    const field = link && document.getElementById(link.hash.slice(1));
    if (field) {
      event.preventDefault();
      const inside = field.closest('details');
      if (inside) inside.open = true;
      field.focus({ preventScroll: true });
      field.scrollIntoView({ block: 'center' });
    }
    const offer = event.target.closest('button[name=use]');
    if (!offer) return;
    event.preventDefault();
    const at = offer.value.indexOf('=');
    const filled = offer.form.elements[offer.value.slice(0, at)];
    filled.value = offer.value.slice(at + 1);
    filled.focus();
    filled.dispatchEvent(new Event('input', { bubbles: true }));
  });

  // What was wrong with a field is forgotten when somebody changes it, and all of it when the form is sent again.
  const forgive = (field) => {
    field.removeAttribute('aria-invalid');
    document.getElementById(field.id + '-problem').remove();
    for (const offer of $$('button.offer')) {
      if (offer.value.startsWith(field.name + '=')) offer.remove();
    }
    for (const link of $$('.faults a')) {
      if (link.hash === '#' + field.id) link.closest('li').remove();
    }
    for (const list of $$('.faults')) {
      if (!$('li', list)) (list.closest('.banner') || list).remove();
      else if ($('p strong', list)) $('p strong', list).textContent = 'Not right yet:';
    }
  };
  document.addEventListener('input', (event) => {
    for (const field of [event.target, event.target.closest('fieldset[id]')]) {
      if (field?.id && document.getElementById(field.id + '-problem')) forgive(field);
    }
  });
  document.addEventListener('submit', (event) => {
    if (event.submitter?.matches('[name=action][value=validate]')) return;
    for (const list of $$('.faults')) (list.closest('.banner') || list).remove();
  });

  // Whoever leaves a form with changes that are not saved is asked first. data-guard says that a form is one of these;
  // "unsaved" says that it came with changes. The form of an integration knows itself what a change is.
  const written = (form) => new URLSearchParams(new FormData(form)).toString();
  const before = new Map($$('form[data-guard]').map((form) => [form, written(form)]));
  let changed = () => [...before].some(([form, was]) => form.isConnected && (form.dataset.guard === 'unsaved' || written(form) !== was));
  let leaving = false; // somebody pressed a button that leaves on purpose
  const guard = (isChanged) => { changed = isChanged; };
  const leave = () => { leaving = true; };
  window.addEventListener('submit', (event) => { // after all others, which may keep the page
    if (!event.defaultPrevented && before.has(event.target)) leave();
  });
  window.addEventListener('pageshow', () => { leaving = false; }); // somebody came back
  window.addEventListener('beforeunload', (event) => {
    if (!leaving && changed()) event.preventDefault();
  });

  // A window that nobody sees does not bring itself up to date.
  document.addEventListener('htmx:beforeRequest', (event) => {
    if (document.hidden && event.detail.elt.getAttribute('hx-trigger')?.startsWith('every ')) event.preventDefault();
  });

  // What somebody has selected, to copy it, stays.
  document.addEventListener('htmx:beforeSwap', (event) => {
    const chosen = getSelection();
    const target = event.detail.target;
    if (!chosen.isCollapsed && !target?.matches('#setup, #found') && target?.contains(chosen.anchorNode)) event.detail.shouldSwap = false;
  });

  // What was done is said once: reloading the page does not say it again.
  const here = new URL(location.href);
  if (here.searchParams.has('done')) {
    here.searchParams.delete('done');
    history.replaceState(history.state, '', here);
  }

  const furnish = () => {
    addCopyButtons();
    addCancelButtons();
  };
  document.addEventListener('htmx:afterSwap', furnish);
  furnish();
  return { $, $$, furnish, guard, leave, trouble, unreachable };
})();
