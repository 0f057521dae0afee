// Writes src/schema.ts, the types of openapi.json.
import { readFileSync, writeFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";
import ts from "typescript";

const document = JSON.parse(readFileSync("openapi.json", "utf-8"));
const nodes = await openapiTS(document, {
  defaultNonNullable: false,
  transform: (schema) => (schema.format === "binary" ? ts.factory.createTypeReferenceNode("Blob") : undefined), // a file
});
writeFileSync("src/schema.ts", astToString(nodes));
