package platform

import (
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
)

// guard keeps the pages of strangers that a person has open in the same browser from
// the sandbox: one whose name was made to lead here (its own name is the Host of its
// requests), and one that posts across origins. A program sends neither.
func guard(next http.Handler, names []string) http.Handler {
	own, _ := os.Hostname()
	allowed := append([]string{"localhost", strings.ToLower(own)}, names...)
	byHost := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		callback := strings.HasPrefix(r.URL.Path, "/api/") // has a token, and comes by any name: a Service's in a cluster
		if host := hostOf(r.Host); !callback && net.ParseIP(host) == nil && !slices.Contains(allowed, host) {
			http.Error(w, "the sandbox is not called "+host+"; start it with --allow-host "+host+" if it shall be", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
	return http.NewCrossOriginProtection().Handler(byHost)
}

// hostOf is a Host header without its port.
func hostOf(header string) string {
	host, _, err := net.SplitHostPort(header)
	if err != nil {
		host = header
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}
