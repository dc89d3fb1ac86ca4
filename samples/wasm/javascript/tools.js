// Tools in JavaScript: `text.slug` and `text.words`, compiled by componentize-js (build.mjs).

const text = JSON.stringify({
  type: "object",
  properties: { text: { type: "string", maxLength: 100000 } },
  required: ["text"],
});

export const provider = {
  listTools() {
    return [
      { name: "slug", description: "A text as it can stand in a URL.", inputSchema: text },
      { name: "words", description: "How often each word is in a text, the most frequent first, as JSON.", inputSchema: text },
    ];
  },

  // What is thrown as a string is an error that the model reads; any other exception is a failure of the module.
  callTool(name, args) {
    const given = JSON.parse(args).text;
    const words = given.toLowerCase().match(/[a-z0-9\u00df-\u024f]+/g) ?? [];
    if (words.length === 0) throw "There are no words in the text.";
    if (name === "slug") return words.join("-");
    const counts = new Map();
    for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
    return JSON.stringify(Object.fromEntries([...counts].sort((one, other) => other[1] - one[1])));
  },
};
