import type { Words } from './words'

export const es: Words = {
  title: 'Mando',
  language: 'English',
  languageCode: 'en',
  back: 'Todos los dispositivos',
  cancel: 'Cancelar',

  devices: 'Tus dispositivos',
  deviceCount: { one: '# dispositivo en este navegador', other: '# dispositivos en este navegador' },
  noDevices: 'Aún no hay dispositivos',
  noDevicesHint:
    'El dispositivo muestra un código QR. Escanéalo, pega su enlace o escribe un código que te dicte su dueño.',
  addDevice: 'Añadir un dispositivo',
  neverSeen: 'todavía sin conexión',
  asOf: 'actualizado {}',
  seen: 'visto {}',

  scan: 'Escanear el código QR',
  scanHint: 'Pon el código del dispositivo delante de la cámara.',
  scanStop: 'Parar la cámara',
  scanPicture: 'Elegir una foto del código',
  scanNoCode: 'No se ve ningún código QR legible en esta foto.',
  scanNotAllowed: 'La cámara no está permitida. Permítela en los ajustes del navegador o pega el enlace.',
  scanNoCamera: 'No se encontró ninguna cámara. Elige una foto del código o pega el enlace.',
  scanNeedsHttps: 'La cámara solo funciona en páginas con https://.',
  scanStale: 'No se pudo cargar una parte de esta página. Recarga la página.',
  paste: 'Pegar el enlace',
  pasteLabel: 'Enlace del dispositivo',
  pasteOpen: 'Abrir',
  codeLabel: 'Código para escribir',
  codeHint: 'Diez letras y cifras que dicta el dueño del dispositivo. Vale dos minutos y una sola vez.',
  codeOpen: 'Vincular',
  notAnInvitation: 'Este no es el enlace de un dispositivo.',
  otherAddress: 'A este dispositivo se llega por otra dirección:',
  otherAddressOpen: 'Ir a {}',

  pairing: 'Vincular con {}',
  newDevice: 'un dispositivo nuevo',
  pairingConnect: 'Conectando con el dispositivo…',
  pairingCompare: 'Compara estas palabras con las que muestra el dispositivo:',
  pairingWait: 'Esperando a que el dueño del dispositivo diga que sí…',
  pairingDifferent:
    'Si son iguales, aprueba este teléfono en el dispositivo. Si son distintas, hay alguien en medio: di que no allí y olvida el dispositivo aquí.',
  pairingName: 'Nombre de este teléfono',
  pairingNameDefault: 'Mi teléfono',
  pairingStart: 'Vincular',
  pairingExplain:
    'El dispositivo conocerá este teléfono por su propia clave y puede retirarla en cualquier momento.',
  pairingFailed: 'No se pudo vincular.',

  connecting: 'Conectando…',
  online: 'Conectado, cifrado de extremo a extremo.',
  deviceOffline: 'El dispositivo está apagado o sin red. La página se conecta en cuanto vuelva.',
  unreachable: 'Sin conexión. Intentando de nuevo…',
  wrongKey:
    'La clave de este teléfono no sirve. Puede que el dispositivo tenga una nueva: escanea su código otra vez.',
  goneKey: 'El dispositivo ya no conoce la clave de este teléfono. Pide un código nuevo a su dueño.',
  banned: 'El dispositivo o el intermediario no deja entrar a este teléfono.',

  tooOld: 'Este navegador es demasiado antiguo para el cifrado del dispositivo. Actualízalo o usa otro.',

  state: 'Estado',
  stateNone: 'El dispositivo aún no ha comunicado su estado.',
  refresh: 'Actualizar',
  commands: 'Órdenes',
  sendRaw: 'Enviar un evento',
  sendRawHint: 'Este dispositivo no dice lo que sabe hacer. Puedes enviar cualquier evento por su nombre.',
  rawEvent: 'Evento',
  rawPayload: 'Contenido (JSON)',
  rawBad: 'Esto no es JSON.',
  rawSend: 'Enviar',

  sending: 'Enviando: se está creando la conexión segura…',
  notSent: 'Aún no se ha enviado.',
  waiting: 'Esperando al dispositivo…',
  waitingAway: 'Se envió. Esperando a que vuelva la conexión…',
  done: 'Hecho',
  doneWith: 'Hecho:',
  yes: 'sí',
  no: 'no',
  nothing: 'ninguno',

  sure: '¿Seguro?',
  sureEvent: '«{}» no se puede deshacer.',
  sureYes: 'Sí, hazlo',
  forget: 'Olvidar este dispositivo',
  forgetHint:
    'Su clave y su último estado se borran de este navegador. Para usarlo de nuevo necesitarás su código.',
  forgetYes: 'Olvidarlo',

  ran: {
    no: 'No se ejecutó.',
    maybe: 'Puede que se haya ejecutado: mira el dispositivo antes de repetir.',
    yes: 'Ya había empezado.'
  },
  failures: {
    timeout: 'No hubo respuesta a tiempo.',
    disconnected: 'Se cortó la conexión.',
    'bad-key': 'La clave de este teléfono no sirve.',
    refused: 'El dispositivo no lo acepta.',
    stale: 'Alguien ha cambiado el estado entretanto. Míralo e inténtalo de nuevo.',
    'handler-failed': 'El dispositivo no pudo hacerlo.',
    invalid: 'Esto no se puede enviar.',
    cancelled: 'Lo has cancelado.'
  },
  reasons: {
    busy: 'Hay demasiadas órdenes en espera. Inténtalo dentro de un momento.',
    'unknown-event': 'El dispositivo no conoce esta orden.',
    expired: 'El dispositivo llegó demasiado tarde.',
    forgotten: 'El dispositivo ya no recuerda si lo hizo.',
    leased: 'Ahora mismo otra persona tiene el control.',
    'not-allowed': 'Este teléfono no puede hacer eso.',
    'not-approved': 'El dueño del dispositivo no ha dicho que sí.',
    'unknown-key': 'El acceso de este teléfono ha terminado o fue retirado.',
    'device-offline': 'El dispositivo está apagado o sin red.',
    'not-connected': 'No hay conexión.',
    'not-back-in-time': 'La conexión no volvió a tiempo.',
    'too-many-pending': 'Hay demasiadas órdenes a la espera de respuesta.',
    'too-many-queued': 'Hay demasiadas órdenes de este teléfono en espera. Inténtalo dentro de un momento.',
    used: 'Este código ya lo usó otro teléfono. Pide uno nuevo al dispositivo.',
    'no-invitation': 'Este código ya no vale, o el dispositivo no está. Pide uno nuevo a su dueño.',
    revoked:
      'El acceso de este teléfono ha terminado o fue retirado. Pide un código nuevo al dueño del dispositivo.',
    'not-held': 'No hay nada bajo este código, o ya no.',
    'not-the-device': 'Lo que responde no es el dispositivo de este código.',
    kicked: 'Este teléfono fue expulsado.',
    unauthenticated: 'El intermediario no conoce este teléfono.',
    'unknown-device': 'El intermediario no conoce tal dispositivo, o este teléfono ya no puede llegar a él.',
    'too-many': 'Hay demasiadas conexiones.',
    'too-large': 'Lo enviado es demasiado grande.',
    'too-fast': 'Se envió demasiado de golpe.',
    'shutting-down': 'El dispositivo se está apagando.'
  },

  why: 'Motivo: {}',
  storageBroken: 'Este navegador no deja guardar nada: los dispositivos se olvidan al cerrarlo.'
}
