package door

import (
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vision-platform/trainer-agent/hub/store"
)

// Listing is how much of a list somebody asks for, and from where.
type Listing struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
	Cursor string `query:"cursor" maxLength:"200" doc:"Where to go on: the header Link of the answer before has the whole address."`

	from  store.Place
	asked url.URL
}

// Resolve implements huma.Resolver.
func (l *Listing) Resolve(ctx huma.Context) (wrong []error) {
	var err error
	l.asked = ctx.URL()
	if l.from, err = store.ParsePlace(l.Cursor); err != nil {
		wrong = append(wrong, NoCursor())
	}
	return wrong
}

// NoCursor is what is wrong with a cursor that leads nowhere in a list.
func NoCursor() error {
	return Field("query.cursor", "take it from the header Link of the answer before, or leave it out")
}

// Listed is a list, and the address of what follows it.
type Listed[T any] struct {
	Link string `header:"Link" doc:"<ADDRESS>; rel=\"next\": what follows (RFC 8288). Absent where this is the end."`
	Body []T
}

// List answers with a part of a list: read returns at most so many rows after a place, and place is
// that of a row.
func List[T any](l *Listing, place func(T) store.Place, read func(from store.Place, most int) ([]T, error)) (*Listed[T], error) {
	rows, err := read(l.from, l.Limit+1)
	out := &Listed[T]{Body: append([]T{}, rows[:min(len(rows), l.Limit)]...)}
	if len(rows) > l.Limit {
		out.Link = Next(l.asked, "cursor", place(out.Body[l.Limit-1]).String())
	}
	return out, err
}

// Next is the header that leads from an address to the same with another query.
func Next(from url.URL, name, value string) string {
	query := from.Query()
	query.Set(name, value)
	to := url.URL{Path: from.Path, RawQuery: query.Encode()}
	return "<" + to.String() + `>; rel="next"`
}
