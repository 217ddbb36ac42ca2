// The form where a token is wanted. The token is exchanged for a cookie that scripts cannot read.

import { readNeedsToken, signIn } from "../data/api.js";
import { field, make, setText } from "../dom.js";
import { texts } from "../texts.js";
import { keepName, readName } from "./person.js";

const { login } = texts;

export function showLogin(content, onDone) {
  const token = make("input", { type: "password", name: "token", autocomplete: "current-password", required: true });
  const person = make("input", { type: "text", name: "by", autocomplete: "name", maxlength: 64, value: readName() });
  const answer = make("p", { class: "answer bad", role: "alert" });
  const submit = make("button", { type: "submit", class: "main" }, login.submit);
  const form = make("form", { class: "panel login", submit: async (event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      await signIn(token.value, person.value);
      keepName(person.value);
      onDone();
    } catch (failure) {
      setText(answer, failure.status === 401 ? login.wrong : texts.failed(failure.message));
      token.select();
    }
    submit.disabled = false;
  } }, make("h1", {}, login.heading), make("p", {}, login.words), field(login.token, token), field(texts.alarm.by, person), submit, answer);
  content.replaceChildren(form);
  token.focus();
  readNeedsToken().then((isNeeded) => { if (!isNeeded && form.isConnected) content.replaceChildren(make("div", { class: "panel login" }, make("h1", {}, login.heading), make("p", {}, login.noToken))); }, () => {});
}
