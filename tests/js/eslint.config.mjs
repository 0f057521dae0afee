// What is wrong in the page's scripts without their running, above all names that are not there. The browser's own are listed as far as
// the scripts use them, so that a forgotten import of `open` or `find` is not taken for one of these.
const BROWSER = [
  "AbortController", "addEventListener", "atob", "BroadcastChannel", "btoa", "clearTimeout", "crypto", "CSS", "dispatchEvent", "document",
  "DOMParser", "Event", "EventSource", "fetch", "FormData", "getComputedStyle", "getSelection", "history", "innerHeight",
  "IntersectionObserver", "Intl", "localStorage", "location", "matchMedia", "navigator", "Node", "Option", "performance", "postMessage",
  "requestAnimationFrame", "requestIdleCallback", "scrollBy", "scrollTo", "scrollY", "sessionStorage", "setInterval", "setTimeout",
  "TextDecoder", "TextDecoderStream", "TextEncoder", "URL", "URLSearchParams", "WebSocket", "window", "Worker",
];

export default [
  {
    files: ["**/*.js"],
    languageOptions: { ecmaVersion: 2024, sourceType: "module", globals: Object.fromEntries(BROWSER.map((name) => [name, "readonly"])) },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "no-undef": "error",
      "no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "no-redeclare": "error",
      "no-import-assign": "error",
      "no-const-assign": "error",
      "no-dupe-keys": "error",
      "no-unreachable": "error",
      "prefer-const": "error",
      eqeqeq: ["error", "always", { null: "ignore" }],
    },
  },
];
