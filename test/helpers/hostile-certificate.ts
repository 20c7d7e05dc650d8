/**
 * A certificate whose names try to look like others, valid till 2120 and signed by itself. Made with @peculiar/x509,
 * for certs-scripts refuses such names:
 *
 * - `O` is `Ex⏎CN=admin`; `OU` is `a, OU=b`; then one relative name with `CN` `ann + CN=admin` and `OU` `c\`; then
 *   `CN` `é中😀`
 * - the subject alternative names are those in peer-names.test.ts
 */
export const HOSTILE = `-----BEGIN CERTIFICATE-----
MIICOzCCAeCgAwIBAgIBCjAKBggqhkjOPQQDAjBgMRQwEgYDVQQKDAtFeApDTj1h
ZG1pbjEQMA4GA1UECwwHYSwgT1U9YjEiMBUGA1UEAwwOYW5uICsgQ049YWRtaW4w
CQYDVQQLDAJjXDESMBAGA1UEAwwJw6nkuK3wn5iAMCAXDTIwMDEwMTAwMDAwMFoY
DzIxMjAwMTAxMDAwMDAwWjBgMRQwEgYDVQQKDAtFeApDTj1hZG1pbjEQMA4GA1UE
CwwHYSwgT1U9YjEiMBUGA1UEAwwOYW5uICsgQ049YWRtaW4wCQYDVQQLDAJjXDES
MBAGA1UEAwwJw6nkuK3wn5iAMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE69wQ
U+tqOZQ3TnQPIN4hOdxh4WqyiHR1rA/4urPx6A9tUppDen7VNWREYFFInoswos+2
5o7en3XKnol7F+dPVqOBiDCBhTCBggYDVR0RBHsweYIMYSwgRE5TOmFkbWluhg9o
dHRwczovL2gvInhcLAqHEAAAAAAAAAAAAAAAAAAAAAGkHTAbMQ0wCwYDVQQDEwRh
LCBiMQowCAYDVQQKEwFjoBYGCisGAQQBgjcUAgOgCAwGdUB4LCB5iAMqAwSBA+lA
eIIFcGxhaW4wCgYIKoZIzj0EAwIDSQAwRgIhAOP8SJ27J5bSm1aZYsxOwjMDCNen
2PElBbEuwGXaihYEAiEA8XhsPTks1R2L/FmqOrU8CrZ9+2SRWt4dqc2wpHZkSNU=
-----END CERTIFICATE-----
`
