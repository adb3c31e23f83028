import type { Resource } from '../../envoy/resource.ts';
import { BackwardWriter, fieldHead, stringField } from './frame.ts';

/** The two variants of the aggregated stream: state of the world, or incremental. */
export type Variant = 'sotw' | 'delta';

/** What one response says, whichever variant carries it. */
export interface ResponseContent {
  readonly typeUrl: string;
  readonly resources: readonly Resource[];
  /** Names that are gone; state of the world says so by leaving them out. */
  readonly removed: readonly string[];
  readonly version: string;
  readonly nonce: string;
  /** Names this control plane in the proxy's statistics (`control_plane.identifier`). */
  readonly identifier: string;
}

/**
 * Writes a response as protobuf: small heads around the shared bytes of its resources. The heads are kept per resource,
 * so two hundred proxies cost two hundred copies of memory and no serialising.
 */
export function encodeResponse(variant: Variant, content: ResponseContent): Buffer {
  const layout = layouts[variant];
  const parts: Uint8Array[] = [stringField(layout.version, content.version)];
  for (const resource of content.resources) parts.push(headOf(resource, layout), resource.value);
  parts.push(stringField(layout.typeUrl, content.typeUrl));
  if (variant === 'delta') for (const name of content.removed) parts.push(stringField(removedResources, name));
  parts.push(stringField(layout.nonce, content.nonce));
  const controlPlane = stringField(1, content.identifier);
  parts.push(fieldHead(layout.controlPlane, controlPlane.length), controlPlane);
  return Buffer.concat(parts);
}

/** Field numbers of envoy.service.discovery.v3's DiscoveryResponse and DeltaDiscoveryResponse. */
interface Layout {
  readonly version: number;
  readonly resources: number;
  readonly typeUrl: number;
  readonly nonce: number;
  readonly controlPlane: number;
  /** Writes everything of one resource up to its value, without the field's own head. */
  wrap(resource: Resource): void;
  readonly heads: WeakMap<Resource, Buffer>;
}

const removedResources = 6;

const layouts: Readonly<Record<Variant, Layout>> = {
  sotw: { version: 1, resources: 2, typeUrl: 4, nonce: 5, controlPlane: 6, wrap: anyHead, heads: new WeakMap() },
  delta: { version: 1, resources: 2, typeUrl: 4, nonce: 5, controlPlane: 7, wrap: deltaResourceHead, heads: new WeakMap() },
};

function headOf(resource: Resource, layout: Layout): Buffer {
  let head = layout.heads.get(resource);
  if (!head) {
    layout.wrap(resource);
    writer.head(layout.resources, writer.length + resource.value.length);
    head = writer.finish();
    layout.heads.set(resource, head);
  }
  return head;
}

const writer = new BackwardWriter();

/** google.protobuf.Any: `type_url` = 1, `value` = 2. */
function anyHead(resource: Resource): void {
  writer.head(2, resource.value.length);
  writer.string(1, resource.typeUrl);
}

/** discovery.v3.Resource: `version` = 1, `name` = 3, `resource` = 2 (an Any, written last so that its value ends the message). */
function deltaResourceHead(resource: Resource): void {
  anyHead(resource);
  writer.head(2, writer.length + resource.value.length);
  writer.string(3, resource.name);
  writer.string(1, resource.version);
}
