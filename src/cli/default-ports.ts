/** Where the operator serves Prometheus metrics, on every address. */
export const metricsPort = 8080;

/** Where the operator serves /healthz and /readyz, on every address. */
export const healthPort = 8081;
