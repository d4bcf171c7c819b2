package ec2fake

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strings"
)

// A protocol is how a service writes its answers.
type protocol string

func protocolOf(r *http.Request) protocol {
	sc, _ := parseScope(r.Header.Get("Authorization"))
	switch sc.service {
	case "ec2":
		return "ec2"
	case "sts", "":
		return "query"
	}
	return "json"
}

// throttled is what a service answers who asks too often.
func (p protocol) throttled() *failure {
	if p == "json" {
		f := fail(http.StatusBadRequest, "RequestThrottledException", "Rate exceeded")
		f.reason = "ACCOUNT_THROTTLED"
		return f
	}
	return fail(http.StatusServiceUnavailable, "RequestLimitExceeded", "Request limit exceeded")
}

func (p protocol) fail(w http.ResponseWriter, f *failure) {
	switch p {
	case "json":
		w.Header().Set("X-Amzn-Errortype", f.code)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(f.status)
		body := map[string]string{"__type": f.code, "Message": f.message, "message": f.message}
		if f.reason != "" {
			body["Reason"] = f.reason
		}
		json.NewEncoder(w).Encode(body)
	case "ec2":
		writeXML(w, f.status, struct {
			XMLName   xml.Name `xml:"Response"`
			Code      string   `xml:"Errors>Error>Code"`
			Message   string   `xml:"Errors>Error>Message"`
			RequestID string
		}{Code: f.code, Message: f.message, RequestID: requestID()})
	default:
		writeXML(w, f.status, struct {
			XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
			Type      string   `xml:"Error>Type"`
			Code      string   `xml:"Error>Code"`
			Message   string   `xml:"Error>Message"`
			RequestID string   `xml:"RequestId"`
		}{Type: "Sender", Code: f.code, Message: f.message, RequestID: requestID()})
	}
}

func requestID() string {
	id := newID("") + newID("")
	return strings.Join([]string{id[:8], id[8:12], id[12:16], id[16:20], id[20:32]}, "-")
}

func writeXML(w http.ResponseWriter, status int, v any) {
	text, err := xml.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.WriteHeader(status)
	w.Write([]byte(xml.Header))
	w.Write(text)
}

// asJSON is the answer of a JSON service.
func asJSON(status int, v any) answer {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(v)
	}
}

// asEC2 is the answer of EC2: the members of v in an element named after the operation.
func asEC2(operation string, v any) answer {
	var b bytes.Buffer
	if err := xml.NewEncoder(&b).EncodeElement(v, xml.StartElement{Name: xml.Name{Local: "members"}}); err != nil {
		panic(err)
	}
	text := bytes.TrimSuffix(bytes.TrimPrefix(b.Bytes(), []byte("<members>")), []byte("</members>"))
	return func(w http.ResponseWriter) {
		writeXML(w, http.StatusOK, struct {
			XMLName   xml.Name
			RequestID string `xml:"requestId"`
			Members   []byte `xml:",innerxml"`
		}{xml.Name{Space: "http://ec2.amazonaws.com/doc/2016-11-15/", Local: operation + "Response"}, requestID(), text})
	}
}
