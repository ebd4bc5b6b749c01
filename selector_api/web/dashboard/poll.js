// Looking again: soon while something happens, later and later while nothing does, and never in a hidden tab.

const LONGEST = 60;

/**
 * Call `look` now and again. It answers whether something has changed.
 * `told` hears how it went: the seconds until the next look, and the error if there was one.
 */
export function poll(look, seconds, told) {
  let timer = 0;
  let pause = seconds;
  let due = 0;
  let stopped = false;
  let busy = false;
  let again = false; // what is looked at was changed meanwhile

  async function turn() {
    clearTimeout(timer);
    if (stopped || document.hidden) return;
    again = busy;
    if (busy) return;
    busy = true;
    let error = null;
    do {
      again = false;
      error = null;
      try {
        pause = (await look()) ? seconds : Math.min(LONGEST, pause * 1.5);
      } catch (caught) {
        error = caught;
        pause = Math.min(LONGEST, Math.max(seconds, pause * 1.5));
      }
    } while (again && !stopped);
    busy = false;
    if (stopped) return;
    due = Date.now() + 1000 * pause;
    told(pause, error);
    if (!stopped) timer = setTimeout(turn, 1000 * pause);
  }

  function shown() {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(turn, Math.max(0, Math.min(due - Date.now(), 1000 * seconds)));
  }

  document.addEventListener("visibilitychange", shown);
  turn();
  return {
    now() {
      pause = seconds;
      return turn();
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", shown);
    },
  };
}
