import Type, { type TSchema, type TSchemaOptions, type TUnsafe } from 'typebox';

/** A validation rule in Kubernetes' expression language, carried into the CRD as `x-kubernetes-validations`. */
export interface CelRule {
  readonly rule: string;
  readonly message: string;
}

/** Schema options beyond JSON schema. Keywords that only the API server evaluates sit under `crd`, where TypeBox does not look. */
export interface SchemaTermOptions extends TSchemaOptions {
  /** What the field means and what its absence means; shown by `kubectl explain`. */
  readonly description?: string;
  /** Merged into the node in the CRD: `x-kubernetes-*` keys, `oneOf`, `default`. */
  readonly crd?: Readonly<Record<string, unknown>>;
}

/** `x-kubernetes-validations` of a node, for {@link SchemaTermOptions.crd}. */
export function celRules(...rules: readonly CelRule[]): { 'x-kubernetes-validations': readonly CelRule[] } {
  return { 'x-kubernetes-validations': rules };
}

/** A closed set of strings. */
export function stringEnum<const Values extends readonly string[]>(
  values: Values,
  options: SchemaTermOptions = {},
): TUnsafe<Values[number]> {
  return Type.Unsafe<Values[number]>({ type: 'string', enum: [...values], ...options });
}

/** A map from any string to values of one schema. Istio's `map<string, …>`. */
export function mapOf<Value extends TSchema>(value: Value, options: SchemaTermOptions & { maxProperties?: number } = {}) {
  return Type.Unsafe<Record<string, Type.Static<Value>>>({ type: 'object', additionalProperties: value, ...options });
}

/** An object whose unknown fields are reported; every field is given by `properties`. */
export function record<Properties extends Type.TProperties>(properties: Properties, options: SchemaTermOptions = {}) {
  return Type.Object(properties, { additionalProperties: false, ...options });
}

/** An integer of 0 to 2³² − 1, Istio's `uint32`. */
export function uint32(options: SchemaTermOptions = {}) {
  return Type.Integer({ minimum: 0, maximum: 4_294_967_295, ...options });
}

/** A 32-bit signed integer, Istio's `int32`. */
export function int32(options: SchemaTermOptions = {}) {
  return Type.Integer({ minimum: -2_147_483_648, maximum: 2_147_483_647, format: 'int32', ...options });
}

/** A TCP or UDP port that must be a real one, 1 to 65535. */
export function portNumber(options: SchemaTermOptions = {}) {
  return Type.Integer({ minimum: 1, maximum: 65_535, ...options });
}

/** A duration in Go's notation, `1h30m`, `250ms`. The API server checks only that it is at least 1 ms. */
export function duration(options: SchemaTermOptions = {}) {
  return Type.String({
    crd: celRules({ rule: "duration(self) >= duration('1ms')", message: 'must be a valid duration greater than 1ms' }),
    ...options,
  });
}
