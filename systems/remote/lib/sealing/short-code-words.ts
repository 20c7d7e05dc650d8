/**
 * 256 words for each language: the word of a byte never changes, as the two who compare them may have different versions. No two of a
 * language differ by a single letter.
 */
export const SHORT_CODE_WORDS = {
  en: words(`
  acorn actor agent album amber anchor angel ankle apple apron arrow artist atlas attic autumn avenue bacon
  badge bagel bakery balloon bamboo banana banjo barn basket beach beaver berry bicycle biscuit blanket
  blossom bottle boulder branch bread bridge broom bubble bucket buffalo butter button cabin cactus camel
  camera candle canoe canyon carpet castle cedar cellar cherry chimney cinema circle circus clover coconut
  coffee comet compass copper coral cottage cotton cowboy cradle crayon cricket crystal curtain cushion
  daisy dancer desert diamond dinner doctor dolphin dragon dream eagle easel elbow elephant engine envelope
  fabric falcon farmer feather fence fiddle finger flame flower flute forest fossil galaxy garden garlic
  giant giraffe glacier glove goblin gravel guitar hammer harbor harvest hazel helmet honey horizon hotel
  iceberg igloo insect island ivory jacket jaguar jelly jewel jigsaw jungle kayak kernel kettle kitchen
  kitten knight ladder lagoon lantern leaf lemon leopard library lobster lotus magnet mango maple marble
  market meadow medal melon mirror monkey motor mountain muffin museum napkin nature needle nickel nutmeg
  oasis ocean olive onion orange orbit orchard oyster palace panda paper parrot peanut pebble pelican pencil
  penguin pepper piano pickle pigeon pilot pirate planet plaza pocket pony potato prairie prince pumpkin
  puppet puzzle pyramid quarry queen quilt rabbit radar raven ribbon river robot rooster rubber saddle
  saffron sailor salmon sandal school shadow shelter silver sparrow spider spring squash squirrel statue
  sugar sunset table teapot temple thunder tiger tomato tractor trumpet tulip tundra tunnel turtle umbrella
  valley velvet village violet violin volcano waffle walnut whistle window winter wizard yellow zebra zipper`),
  es: words(`
  abeja abrigo abuela aceite actriz agua aguila ajedrez alamo alba aldea alfombra almeja almohada amigo
  ancla anillo antena arado arbol arcilla arena armario arpa arroz asiento astro atleta avion azafran azucar
  bahia balcon ballena balsa bandera barco barril baston bigote billete bosque bota botella boton brazo
  brisa brocha bruja burro caballo cacao cadena cafe calabaza calle camello camino campana canasta cangrejo
  canoa caracol carbon carro carta casa castillo cebolla cebra cena cereza cesta chaleco chimenea ciervo
  cisne ciudad clavel cocina codo cohete cometa conejo copa corazon corona cortina cosecha cristal cuadro
  cubo cuchara cuerda cueva dado delfin desierto diamante diente disco dragon ducha duende dulce eclipse
  elefante enano erizo escalera escoba espejo espiga estrella etiqueta fabrica falda familia faro fiesta
  flauta flecha flor foca fresa fruta fuego fuente gallina ganso garaje gato gaviota gigante globo gorila
  granja grillo guante guitarra gusano hacha harina helado herrero hielo hierba higuera hoja hormiga horno
  hotel huerto hueso iglesia iman isla jabon jardin jarra jinete jirafa joya jugo juguete koala ladrillo
  lago lampara lapiz laurel leche lechuga leon libro limon linterna llave lluvia loro luna madera maleta
  manzana mapa mariposa martillo medalla melon mesa miel molino moneda mono montana motor mueble muralla
  museo nada naranja nido nieve nogal nube nuez oasis ocho olivo olla oso oveja pajaro pala paloma pan panal
  papel parque pelota pera perro piano piedra pirata planeta plata pluma pozo puerta pulpo raton red regalo
  reloj remo rio roble robot rosa rueda tambor tigre tomate torre tortuga trigo trineo trompeta vaca vela
  ventana verano viento zapato zorro`)
} as const

function words(text: string): readonly string[] {
  return text.trim().split(/\s+/)
}
