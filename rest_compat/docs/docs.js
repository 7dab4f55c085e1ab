const fonts = "system-ui, sans-serif";
const options = {
  disableSearch: true, // its index is built in a worker made of text, which the page's policy forbids
  expandResponses: "200,201",
  hideDownloadButton: false,
  nativeScrollbars: true,
  requiredPropsFirst: true,
  schemaExpansionLevel: 1,
  theme: {
    colors: { primary: { main: "#b3400e" } },
    typography: {
      fontSize: "15px",
      fontFamily: fonts,
      headings: { fontFamily: fonts },
      code: { fontFamily: "ui-monospace, monospace", fontSize: "13px" },
    },
  },
};

const target = document.getElementById("reference");
Redoc.init("/v1/openapi.json", options, target, (error) => {
  if (error) target.textContent = `The description cannot be shown: ${error.message}`;
});
