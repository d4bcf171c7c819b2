package ec2fake

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
	"time"
)

type parameter struct {
	value, kind, dataType string
	version               int
}

func (s *Server) putParameter(r *request) (answer, *failure) {
	name := r.values["Name"]
	old := r.region.parameters[name]
	switch {
	case old == nil && r.values["Type"] == "":
		return nil, fail(http.StatusBadRequest, "ValidationException", "A parameter type is required when you create a parameter.")
	case old != nil && r.values["Overwrite"] != "true":
		return nil, fail(http.StatusBadRequest, "ParameterAlreadyExists", "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")
	case strings.Contains(name, "/") && !strings.HasPrefix(name, "/"):
		return nil, fail(http.StatusBadRequest, "ValidationException", "Parameter name must be a fully qualified name.")
	case r.values["DataType"] == "aws:ec2:image":
		if _, bad := r.region.image(r.values["Value"]); bad != nil {
			return nil, fail(http.StatusBadRequest, "ValidationException", "The image %s does not exist", r.values["Value"])
		}
	}
	p := &parameter{r.values["Value"], r.values["Type"], r.values["DataType"], 1}
	if old != nil {
		p.version = old.version + 1
	}
	r.region.parameters[name] = p
	return asJSON(http.StatusOK, map[string]any{"Version": p.version, "Tier": "Standard"}), nil
}

func (s *Server) getParameter(r *request) (answer, *failure) {
	p := r.region.parameters[r.values["Name"]]
	if p == nil {
		return nil, fail(http.StatusBadRequest, "ParameterNotFound", "There is no parameter %s", r.values["Name"])
	}
	return asJSON(http.StatusOK, map[string]any{"Parameter": map[string]any{
		"Name": r.values["Name"], "Value": p.value, "Type": p.kind, "DataType": p.dataType, "Version": p.version,
	}}), nil
}

// serviceQuota is GetServiceQuota, of which the models here have nothing.
var serviceQuota = &operation{"servicequotas", "GetServiceQuota", "POST", "/", map[string]shape{
	"ServiceCode": {kind: "string", required: true, min: 1, max: 63},
	"QuotaCode":   {kind: "string", required: true, min: 1, max: 128},
}}

// publicImages is the code of the quota on public images.
const publicImages = "L-0E3CBAB9"

func (s *Server) getServiceQuota(r *request) (answer, *failure) {
	if r.values["ServiceCode"] != "ec2" || r.values["QuotaCode"] != publicImages {
		return nil, fail(http.StatusBadRequest, "NoSuchResourceException", "There is no such quota")
	}
	return asJSON(http.StatusOK, map[string]any{"Quota": map[string]any{
		"ServiceCode": "ec2", "QuotaCode": publicImages, "QuotaName": "Public AMIs", "Value": float64(s.options.PublicQuota),
	}}), nil
}

func (s *Server) getCallerIdentity(*request) (answer, *failure) {
	return func(w http.ResponseWriter) {
		writeXML(w, http.StatusOK, struct {
			XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ GetCallerIdentityResponse"`
			ARN     string   `xml:"GetCallerIdentityResult>Arn"`
			User    string   `xml:"GetCallerIdentityResult>UserId"`
			Account string   `xml:"GetCallerIdentityResult>Account"`
		}{ARN: "arn:aws:iam::" + Account + ":user/fake", User: "AIDAFAKE", Account: Account})
	}, nil
}

// assumeRoleWithWebIdentity gives credentials that last as long as asked for
// to who has a token that names this fake.
func (s *Server) assumeRoleWithWebIdentity(r *request) (answer, *failure) {
	if !strings.HasPrefix(r.values["WebIdentityToken"], WebIdentity) {
		return nil, fail(http.StatusBadRequest, "InvalidIdentityToken", "The web identity token is not one of this fake's")
	}
	seconds, _ := strconv.Atoi(r.values["DurationSeconds"])
	if seconds == 0 {
		seconds = 3600
	}
	expires := time.Now().Add(time.Duration(seconds) * time.Second)
	id := "ASIA" + strings.ToUpper(newID("")[:16])
	key := Key{Secret: newID("secret"), Session: newID("session"), Expires: expires}
	s.keys[id] = key
	return func(w http.ResponseWriter) {
		writeXML(w, http.StatusOK, struct {
			XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleWithWebIdentityResponse"`
			ID      string   `xml:"AssumeRoleWithWebIdentityResult>Credentials>AccessKeyId"`
			Secret  string   `xml:"AssumeRoleWithWebIdentityResult>Credentials>SecretAccessKey"`
			Session string   `xml:"AssumeRoleWithWebIdentityResult>Credentials>SessionToken"`
			Expires string   `xml:"AssumeRoleWithWebIdentityResult>Credentials>Expiration"`
			ARN     string   `xml:"AssumeRoleWithWebIdentityResult>AssumedRoleUser>Arn"`
			RoleID  string   `xml:"AssumeRoleWithWebIdentityResult>AssumedRoleUser>AssumedRoleId"`
		}{ID: id, Secret: key.Secret, Session: key.Session, Expires: expires.UTC().Format(time.RFC3339), ARN: r.values["RoleArn"], RoleID: "AROAFAKE:" + r.values["RoleSessionName"]})
	}, nil
}

// WebIdentity is how web identity tokens begin that the fake believes.
const WebIdentity = "ec2-fake-identity-"
