/** What one installation of the operator calls what is its own. Revisions side by side have each a name, and nothing in common. */
export interface InstallationNames {
  /** The Lease by which its replicas elect their leader. */
  readonly lease: string;
  /** The Secret that its replicas share their authority in. */
  readonly authoritySecret: string;
  /** The webhook configurations, one of each kind, whose `caBundle` is kept. */
  readonly webhookConfiguration: string;
  /** The Service by which it is reached. */
  readonly service: string;
}

/** The name of an installation that was given none. */
export const defaultInstallation = 'weft';

/** @param installation as `--name` says; default {@link defaultInstallation} */
export function namesOf(installation: string = defaultInstallation): InstallationNames {
  return {
    lease: `${installation}-leader`,
    authoritySecret: `${installation}-authority`,
    webhookConfiguration: installation,
    service: installation,
  };
}
