package ec2fake

import (
	"io"
	"net/http"
)

// A Fault is something that goes wrong with one request.
type Fault int

const (
	None            Fault = iota
	Throttle              // the service says that there are too many requests
	Unavailable           // 503, from something in front of the service
	TooManyRequests       // 429, likewise
	Broken                // 500
	ResetBefore           // the connection breaks, nothing was done
	ResetAfter            // it was done, and the connection breaks before the answer
	CutOff                // the answer ends in the middle of the head
	Corrupt               // a block arrives with another byte in it
)

// before does what goes wrong before a request is served, and reports whether that was all.
func (f Fault) before(w http.ResponseWriter, p protocol) bool {
	switch f {
	case Throttle:
		p.fail(w, p.throttled())
	case Unavailable:
		http.Error(w, "upstream connect error", http.StatusServiceUnavailable)
	case TooManyRequests:
		http.Error(w, "slow down", http.StatusTooManyRequests)
	case Broken:
		p.fail(w, fail(http.StatusInternalServerError, "InternalServerException", "An internal error has occurred"))
	case ResetBefore:
		panic(http.ErrAbortHandler)
	case CutOff:
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Le")
		conn.Close()
	default:
		return false
	}
	return true
}

// Faults are all of them, but for None.
var Faults = []Fault{Throttle, Unavailable, TooManyRequests, Broken, ResetBefore, ResetAfter, CutOff, Corrupt}
