// The only script: it tells how long a page was looked at, and hides a witness's picture after its seconds.
(() => {
  "use strict";
  let begun = performance.now();
  document.addEventListener("submit", (event) => {
    const field = event.target.querySelector("input[name=browser_seconds]");
    if (field) field.value = ((performance.now() - begun) / 1000).toFixed(3);
  });
  document.addEventListener("DOMContentLoaded", () => {
    const picture = document.querySelector("img[data-seconds]");
    if (!picture) return;
    const clock = document.getElementById("clock");
    const seconds = Number(picture.dataset.seconds);
    const tick = () => {
      const left = seconds - (performance.now() - begun) / 1000;
      clock.textContent = String(Math.max(0, Math.ceil(left)));
      if (left > 0) {
        setTimeout(tick, Math.min(100, left * 1000));
      } else {
        picture.remove();
        document.getElementById("hide").requestSubmit();
      }
    };
    const start = () => {
      if (document.hidden) {
        document.addEventListener("visibilitychange", start, { once: true });
      } else {
        begun = performance.now();
        tick();
      }
    };
    if (picture.complete) start();
    else picture.addEventListener("load", start, { once: true });
  });
})();
