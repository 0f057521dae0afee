// What every page has: the name that this browser writes as, and buttons that copy.

import { recall } from "./account.js";
import "./copy.js";

document.documentElement.classList.add("scripted");
recall();
