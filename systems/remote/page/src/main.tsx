import { render } from 'preact'
import { App } from './app'
import { languageNow, speak } from './words/words'
import './style.css'

void speak(languageNow()).then(spoken => {
  render(<App spokenFirst={spoken} />, document.getElementById('app') as HTMLElement)
})
