package logins

import (
	"errors"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/api/door"
	"github.com/vision-platform/trainer-agent/hub/login"
)

const maxForm = 4 << 10

// links are login by a one-time link. Opening it only shows a button: a chat that looks what
// a link leads to does not use it up, and no other site can log a browser in as somebody else.
type links struct {
	door.Door
	cookies cookies
}

func (l links) register() {
	l.Raw(huma.Operation{
		OperationID: "login", Method: http.MethodGet, Path: "/login", Summary: "A one-time link: a page whose button logs in",
		Parameters: []*huma.Param{{Name: "code", In: "query", Required: true, Schema: &huma.Schema{Type: "string"}}},
		Responses:  door.Text("text/html", "The page."),
	}, l.offer)
	l.Raw(huma.Operation{
		OperationID: "use-login", Method: http.MethodPost, Path: "/login", Summary: "Begin a session with the code of a one-time link",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/x-www-form-urlencoded": {Schema: &huma.Schema{
			Type: "object", Required: []string{"code"}, Properties: map[string]*huma.Schema{"code": {Type: "string"}},
		}}}},
		Responses: door.Bare(http.StatusSeeOther, "The session has begun: on to the hub's page."),
	}, l.enter)
}

// offer shows whom a link logs in, and who is logged in now.
func (l links) offer(w http.ResponseWriter, r *http.Request) {
	code := r.URL.Query().Get("code")
	name, err := l.Users.Invited(r.Context(), code)
	if err != nil {
		l.refuse(w, r, err)
		return
	}
	now, _ := l.Principal(r.Context(), door.CredentialsOf(r)) // nobody, mostly
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Referrer-Policy", "same-origin") // with none a browser would not say that the form is the hub's own
	_ = offerPage.Execute(w, struct{ Code, Name, Now string }{code, name, now.Name})
}

func (l links) enter(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	cookie, err := l.Users.Enter(r.Context(), r.PostFormValue("code"))
	if err != nil {
		l.refuse(w, r, err)
		return
	}
	http.SetCookie(w, l.cookies.session(cookie, int(login.SessionLife/time.Second)))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// refuse sends a person to the page, which says why, and answers a program with a problem.
func (l links) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, login.ErrUnknown) && strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, "/?login=link", http.StatusSeeOther)
		return
	}
	door.Answer(w, door.Known(l.Log, err))
}

// offerPage looks as the page does, and needs no JavaScript.
var offerPage = template.Must(template.New("offer").Parse(`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>Log in · Trainer hub</title>
    <link rel="icon" href="/assets/icon.svg" />
    <link rel="stylesheet" href="/assets/page.css" />
  </head>
  <body>
    <header class="top"><a class="brand" href="/">Trainer hub</a></header>
    <main>
      <form class="card narrow" method="post" action="/login">
        <h1>Log in</h1>
        <p>This link logs this browser in as <strong>{{.Name}}</strong>. It works once. If you did not ask for it, close this page.</p>
        {{- if and .Now (ne .Now .Name)}}
        <p>You are logged in as <strong>{{.Now}}</strong> now; that ends in this browser.</p>
        {{- end}}
        <input type="hidden" name="code" value="{{.Code}}" />
        <button class="first">Log in as {{.Name}}</button>
      </form>
    </main>
  </body>
</html>
`))
