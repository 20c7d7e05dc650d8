import 'no-such-package-of-anybody'

export function listen() {}
