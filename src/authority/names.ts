/** The Secret that replicas share their authority in. */
export const authoritySecretName = 'weft-authority';

/** The webhook configurations, one of each kind, whose `caBundle` is kept. */
export const webhookConfigurationName = 'weft';
