/** Where the operator serves Prometheus metrics, on every address. */
export const metricsPort = 8080;

/** Where the operator serves /healthz and /readyz, on every address. */
export const healthPort = 8081;

/** Where proxies connect over TLS, on every address. */
export const xdsTlsPort = 15012;

/** Where the API server asks webhooks, on every address. */
export const webhookPort = 9443;
