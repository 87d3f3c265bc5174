import tseslint from "typescript-eslint";

// Biome formats and lints; only the rules that need types live here.
export default [
  {
    files: ["src/**/*.ts", "test/**/*.ts", "tools/**/*.ts", "build.ts"],
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    plugins: { "@typescript-eslint": tseslint.plugin },
    rules: {
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/switch-exhaustiveness-check": "error",
    },
  },
];
