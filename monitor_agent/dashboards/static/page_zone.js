// The switch of time zones on the pages that the viewer writes whole: a choice reads the page again.
import * as zone from "./zone.js";

const select = document.getElementById("zone");
zone.setUp(select, () => location.reload());
zone.ofModels(select, JSON.parse(select.dataset.ofModels));
// The choice was made before this browser had the cookie. Without cookies the page stays in UTC.
if (zone.remembered() && select.dataset.choice !== zone.asked()) location.reload();
