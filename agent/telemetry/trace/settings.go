package trace

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// settings are what the environment says of the exporter.
type settings struct {
	endpoint string
	headers  map[string]string
	gzip     bool
	timeout  time.Duration
	service  string
	resource map[string]string
}

// Enabled reports whether the environment asks for traces.
func Enabled(getenv func(string) string) bool {
	return endpoint(getenv) != "" && !strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") &&
		getenv("OTEL_TRACES_EXPORTER") != "none" && !strings.HasSuffix(getenv("OTEL_TRACES_SAMPLER"), "always_off")
}

// CAFile is the file of the collector's certificate authorities, if any.
func CAFile(getenv func(string) string) string { return otlp(getenv, "CERTIFICATE") }

// otlp reads an exporter's variable: the one for traces wins.
func otlp(getenv func(string) string, name string) string {
	if v := getenv("OTEL_EXPORTER_OTLP_TRACES_" + name); v != "" {
		return v
	}
	return getenv("OTEL_EXPORTER_OTLP_" + name)
}

// endpoint is where spans are posted: the variable for traces is taken as it is,
// the general one is the base of the signal's path.
func endpoint(getenv func(string) string) string {
	if v := getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"); v != "" {
		return v
	}
	if v := getenv("OTEL_EXPORTER_OTLP_ENDPOINT"); v != "" {
		return strings.TrimRight(v, "/") + "/v1/traces"
	}
	return ""
}

const (
	defaultTimeout = 10 * time.Second
	longestTimeout = time.Minute
)

// read understands the environment. Its errors name the variable and never a
// value that may be a key.
func read(getenv func(string) string) (settings, error) {
	s := settings{endpoint: endpoint(getenv), gzip: otlp(getenv, "COMPRESSION") == "gzip", timeout: defaultTimeout}
	if u, err := url.Parse(s.endpoint); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return s, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT must be an http or https URL, such as http://otel-collector:4318")
	}
	switch p := otlp(getenv, "PROTOCOL"); p {
	case "", "http/protobuf", "http/json":
	default:
		return s, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL=%q is not spoken here: set http/protobuf, and the collector's HTTP port, usually 4318", p)
	}
	if v := otlp(getenv, "TIMEOUT"); v != "" {
		ms, err := strconv.Atoi(v)
		if err != nil || ms <= 0 {
			return s, fmt.Errorf("OTEL_EXPORTER_OTLP_TIMEOUT=%q must be a number of milliseconds above 0", v)
		}
		s.timeout = min(time.Duration(ms)*time.Millisecond, longestTimeout)
	}
	var err error
	if s.headers, err = pairs(otlp(getenv, "HEADERS")); err != nil {
		return s, fmt.Errorf("OTEL_EXPORTER_OTLP_HEADERS must be key=value pairs separated by commas: %w", err)
	}
	if s.resource, err = pairs(getenv("OTEL_RESOURCE_ATTRIBUTES")); err != nil {
		return s, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES must be key=value pairs separated by commas: %w", err)
	}
	if s.service = getenv("OTEL_SERVICE_NAME"); s.service == "" {
		s.service = s.resource["service.name"]
	}
	return s, nil
}

// pairs reads "key=value,key=value" with percent-encoded values, the format of
// W3C baggage that the specification names.
func pairs(text string) (map[string]string, error) {
	list := map[string]string{}
	for i, pair := range strings.Split(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, value, found := strings.Cut(pair, "=")
		key = strings.TrimSpace(key)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !found || key == "" || err != nil || strings.ContainsAny(key+value, "\r\n\x00") {
			return nil, fmt.Errorf("pair %d is none", i+1)
		}
		list[key] = value
	}
	return list, nil
}
