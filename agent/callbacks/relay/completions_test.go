package relay

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// The child asks a language model with the relay's token, which is no key of anything.
func TestQuestionsToALanguageModelNeedTheToken(t *testing.T) {
	asked := 0
	r := start(t, &queue{}, func(o *Options) {
		o.Completions = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			_, _ = io.WriteString(w, `{"choices": []}`)
		})
	})
	for token, want := range map[string]int{"": http.StatusUnauthorized, "sk-wrong": http.StatusUnauthorized, r.Token(): http.StatusOK} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL()+"/v1/chat/completions", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("with %q: %d, want %d", token, res.StatusCode, want)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}
