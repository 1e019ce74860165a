// Shows which release this page belongs to.
document.querySelector("h1").append(" (script of @RELEASE@)");
