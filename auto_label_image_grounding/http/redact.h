// Keeps API keys out of messages.
#pragma once

#include <string>
#include <vector>

namespace alig {

// Replaces by "***": each secret (as given, trimmed, and percent-encoded), also if shorten() cut it
// off or the text ends within it; and whatever looks like a key without being a known secret: the
// value in `key=…`, `api_key: …`, `token=…`, `Bearer …`, `Authorization: Basic …`, and words that
// begin like the keys of known providers (`sk-…`, `AIza…`, `nvapi-…`, `hf_…`), and the user name
// and password in a URL. Errs on the side of hiding too much. Pure; linear in the text.
std::string redact(std::string_view text, const std::vector<std::string>& secrets);

}  // namespace alig
