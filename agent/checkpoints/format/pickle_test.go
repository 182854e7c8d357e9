package format

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"io"
	"testing"
)

// pickles are one object as Python's pickle.dump writes it, by protocol: numbers,
// texts, bytes within and beyond a frame. Packed by zlib and base64.
var pickles = map[int]string{
	2: "eNrt0T1OG2EQBuBdG9v4hx/DJShQpJwgZYqRKFxtgxAxC7aEbEZ2lFAgpbIQN+EcXIqSxUjUFCmfp5lv3tE08/1rPWRxUnWKoqjvltNZltGuek33p57fzNarbJ1n+ySKKKMV7diJTnSjF7vRj0EMYxR7sR8HcRjjOIrjuiqb1V+5M72YLq/q6WpQL94fg+xUp83oL1+W3arbHPP2cj1ffM/eJncn2d/ed5WDqtXUl+ccboNFjp6GxadyG17n3s8frx/JNljn/tnjJg+q9vsfzW/ycNap7sZlcQ8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/Hc5nvU2eTTJ49/f3gBveAIH",
	3: "eNrt0D1KA2EQBuBvs/n/UaOXSCFeQUhjMWC9jY0SkzSaj0TUQrAS8Saew0tZuq5gbWH5PM3MvDDN+1w+5TSrOimlxeb2apWLKKtefd0v1svVbptbF7mcRYoiWlFGOzrRjV70YxDDGMU4JrEX+3EQ0ziMo0VV1K+XuT0/rpcH/ix3muq2uVu16vnxnntNcJP7b6P0q2jC6zw4O/38SZpgl4fnry95VJXf9a+XeTzfTIv0CAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAD8uzy5O/kCXpjz3A==",
	4: "eNrtzL0uw2EYxuH/q62ivspJdBCnIOlieBJnYKlU24UmrWCQmETkHR8HYXESTsqoITEbjNc1/e7lfmy/vpfm20MOamc8v76YZrRq93Y8m0yXizzPQTRRYi1a0Y5OrEc3NmIztqIX27ETu7EX+9GPgzgc1zLK4dHq744/y1oWWdc+3lZxlS+95lep5TJPTz5/Vi3LPHt+ytoazSY5nPdLcw8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/Lu8Of4CySH4hA==",
	5: "eNrtzL0uw2EYxuH/26qivspJdBCnIOlieBJnYKlU24UmrWCQmETkHR8HYXESTsqoITEbjNc1/e7lfuy8vpfm20MOamc8v76YZrRr93Y8m0yXizzPQTRRohXtWItOrEc3NmIztqIX27ETu7EX+9GPgzgc1zLK4dHq744/y1oWWVsfb6u4ypde86vUcpmnJ58/q5Zlnj0/ZW2PZpMczvuluQcAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/l3eHH8B3GD4hQ==",
}

func unpack(t testing.TB, packed string) []byte {
	t.Helper()
	z, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		t.Fatal(err)
	}
	r, err := zlib.NewReader(bytes.NewReader(z))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestAPickleEndsWithSTOP(t *testing.T) {
	for protocol, packed := range pickles {
		body := unpack(t, packed)
		if got := Inspect(bytes.NewReader(body), int64(len(body)), "a.ckpt"); got != Whole {
			t.Errorf("protocol %d: %v, want whole", protocol, got)
		}
		for n := 3; n < len(body); n += 1 + n/200 {
			if got := Inspect(bytes.NewReader(body[:n]), int64(n), "a.ckpt"); got != Cut {
				t.Errorf("protocol %d cut to %d of %d bytes: %v, want cut", protocol, n, len(body), got)
				break
			}
		}
		two := append(bytes.Clone(body), body...)
		if got := Inspect(bytes.NewReader(two), int64(len(two)), "a.ckpt"); got == Cut {
			t.Errorf("protocol %d, twice in one file: %v", protocol, got)
		}
	}
}
