// Keeps an open page current: an event says that the state changed, then the changing part is fetched and its sections swapped.
// Everything is readable without this file.
(() => {
  "use strict";
  const main = document.getElementById("main");
  const lamp = document.getElementById("live");
  const SLOWEST = 30_000;
  let shown = document.body.dataset.version;
  let wanted = shown;
  let busy = false;
  let pause = 1_000;

  const say = (tone, words) => {
    lamp.hidden = false;
    lamp.className = `live ${tone}`;
    lamp.textContent = words;
  };

  // Sections keep what the reader did to them: opened details, a half-typed filter.
  const swap = (html) => {
    const fresh = new DOMParser().parseFromString(html, "text/html").body;
    for (const details of fresh.querySelectorAll("details[id]")) {
      const old = document.getElementById(details.id);
      if (old) details.open = old.open;
    }
    const ids = [...fresh.children].map((section) => section.id);
    if (ids.join() !== [...main.children].map((section) => section.id).join()) {
      main.replaceChildren(...fresh.children);
      return;
    }
    for (const id of ids) {
      const [old, section] = [main.querySelector(`:scope > #${id}`), fresh.querySelector(`:scope > #${id}`)];
      const reading = id === "filter" || (old.contains(document.activeElement) && old.innerHTML === section.innerHTML);
      if (!reading && old.innerHTML !== section.innerHTML) old.replaceWith(section);
    }
  };

  const refresh = async () => {
    if (busy || wanted === shown) return;
    busy = true;
    const aim = wanted;
    try {
      const path = location.pathname === "/" ? "" : location.pathname;
      const answer = await fetch(`/fragment${path}${location.search}`, { cache: "no-store" });
      if (!answer.ok && answer.status !== 404) throw new Error(String(answer.status));
      swap(await answer.text());
      shown = aim;
    } catch {
      await new Promise((resume) => setTimeout(resume, 2_000));
    } finally {
      busy = false;
    }
    if (wanted !== shown) setTimeout(refresh, 300);
  };

  const listen = () => {
    const events = new EventSource("/api/v1/events");
    events.addEventListener("open", () => {
      pause = 1_000;
      say("good", "live");
    });
    events.addEventListener("status", (event) => {
      wanted = JSON.parse(event.data).version;
      refresh();
    });
    events.addEventListener("error", () => {
      say("warn", "reconnecting …");
      // A browser gives up by itself after some answers; then it is for us to try again.
      if (events.readyState === EventSource.CLOSED) {
        setTimeout(listen, pause);
        pause = Math.min(pause * 2, SLOWEST);
      }
    });
  };

  const ago = (seconds) => {
    if (seconds < -60) return "in the future";
    if (seconds < 5) return "just now";
    const units = [[120, 1, "s"], [7_200, 60, "min"], [172_800, 3_600, "h"], [Infinity, 86_400, "d"]];
    const [, size, unit] = units.find(([end]) => seconds < end);
    return `${Math.floor(seconds / size)} ${unit} ago`;
  };

  const age = () => {
    for (const time of document.querySelectorAll("time[datetime]")) {
      const words = ago((Date.now() - Date.parse(time.dateTime)) / 1_000);
      if (time.textContent !== words) time.textContent = words;
    }
  };

  setInterval(age, 5_000);
  listen();
})();
