import { describeMissing, listComponents } from './components.ts';

/**
 * Runs once before the end-to-end tests: fetches Envoy, and after them says what was left out for want of a component.
 * `WEFT_REQUIRE=Envoy,interception` makes a missing one of these an error, so that a CI run cannot pass by leaving out.
 */
export default async (): Promise<() => void> => {
  const components = await listComponents({ fetch: true });
  const missing = describeMissing(components);
  const required = (process.env.WEFT_REQUIRE ?? '').split(',').filter((name) => name !== '');
  const absent = required.filter((name) => !components.some((component) => component.name === name && component.present));
  if (absent.length > 0) throw new Error(`WEFT_REQUIRE names what is not here: ${absent.join(', ')}\n${missing}`);
  return () => {
    if (missing !== '') console.log(`\n${missing}`);
  };
};
