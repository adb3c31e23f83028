import { badAnnotation } from './annotations/read-annotations.ts';
import { InjectionRefusal, type InjectionRequest, type JsonMap } from './injection.ts';
import type { Pod } from './pod.ts';
import type { InjectionSettings } from './settings.ts';

/** The built-in template: the sidecar, istio-init and all that belongs to them. */
export const sidecarTemplate = 'sidecar';

/** One step of what is laid over a pod. */
export type TemplateStep =
  | { readonly name: typeof sidecarTemplate; readonly overlay?: undefined }
  | { readonly name: string; readonly overlay: JsonMap };

/**
 * The templates of a pod in order, from `inject.istio.io/templates` or the configuration, aliases replaced.
 * Throws an {@link InjectionRefusal} for a name that there is no template of.
 */
export function templatesOf(pod: Pod, { annotations }: InjectionSettings, { config }: InjectionRequest): TemplateStep[] {
  const annotation = 'inject.istio.io/templates';
  const names = annotations[annotation] ?? config.defaultTemplates;
  const resolved = names.flatMap((name) =>
    Object.hasOwn(config.templateAliases, name) ? config.templateAliases[name]! : [name],
  );
  return [...new Set(resolved)].map((name) => {
    const overlay = Object.hasOwn(config.templates, name) ? config.templates[name] : undefined;
    if (overlay) return { name, overlay };
    if (name === sidecarTemplate) return { name: sidecarTemplate };
    const known = [sidecarTemplate, ...Object.keys(config.templates), ...Object.keys(config.templateAliases)].join(', ');
    const reason = `there is no template ${JSON.stringify(name)}; there are ${known}`;
    const value = pod.metadata?.annotations?.[annotation];
    throw new InjectionRefusal(
      value === undefined ? `injection configuration: defaultTemplates: ${reason}` : badAnnotation(annotation, value, reason),
    );
  });
}
