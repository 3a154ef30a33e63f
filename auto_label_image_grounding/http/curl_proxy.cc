#include "auto_label_image_grounding/http/curl_proxy.h"

#include <initializer_list>
#include <memory>
#include <utility>

#include <fmt/core.h>

namespace alig {
namespace {

struct ProxyUrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using ProxyUrl = std::unique_ptr<CURLU, ProxyUrlDeleter>;

std::string proxy_part(const ProxyUrl& url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, 0) != CURLUE_OK) return "";
  std::string out = text;
  curl_free(text);
  return out;
}

NamedProxy parse_proxy(const char* variable, const std::string& value) {
  const ProxyUrl url(curl_url());
  constexpr unsigned kFlags = CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME;
  if (url == nullptr ||
      curl_url_set(url.get(), CURLUPART_URL, value.c_str(), kFlags) != CURLUE_OK) {
    return {variable};
  }
  NamedProxy proxy{variable, proxy_part(url, CURLUPART_HOST), proxy_part(url, CURLUPART_PORT)};
  // libcurl's defaults for proxies.
  const bool https = proxy_part(url, CURLUPART_SCHEME) == "https";
  if (proxy.port.empty()) proxy.port = https ? "443" : "1080";
  return proxy;
}

std::string shown_proxy(const NamedProxy& proxy) {
  return fmt::format("the proxy {}:{} ({})", proxy.host, proxy.port, proxy.variable);
}

constexpr const char* kProxyAdvice =
    ". Check HTTPS_PROXY and HTTP_PROXY; NO_PROXY lists the hosts that are asked without a proxy";

TransportFault proxy_fault(TransportFault::Kind kind, std::string message) {
  return {kind, std::move(message), kProxyAdvice};
}

bool is_in(std::string_view text, const std::string& words) {
  return text.find(words) != text.npos;
}

// "Failed to connect to <host> port <port> after …"; newer ones name the endpoint, and then "via
// <host>".
bool failed_to_reach(const NamedProxy& proxy, const CurlFailure& failure) {
  return failure.code == CURLE_COULDNT_CONNECT && !proxy.host.empty() &&
         (is_in(failure.text, fmt::format(" {} port {} ", proxy.host, proxy.port)) ||
          is_in(failure.text, fmt::format("via {} ", proxy.host)));
}

}  // namespace

std::optional<NamedProxy> find_proxy(bool https,
                                     const std::function<std::string(const char*)>& environment) {
  // HTTP_PROXY is not read: a CGI server sets it to what a client sends.
  constexpr const char* kForHttp[] = {"http_proxy", "all_proxy", "ALL_PROXY"};
  constexpr const char* kForHttps[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
  const auto look = [&](const auto& names) -> std::optional<NamedProxy> {
    for (const char* name : names) {
      if (const std::string value = environment(name); !value.empty()) {
        return parse_proxy(name, value);
      }
    }
    return std::nullopt;
  };
  return https ? look(kForHttps) : look(kForHttp);
}

void name_proxy(const NamedProxy& proxy, TransportFault& fault) {
  fault.message += fmt::format(" (through {})", shown_proxy(proxy));
  fault.advice = kProxyAdvice;
}

TransportFault fault_of_proxy_status(const NamedProxy& proxy, long status) {
  using Kind = TransportFault::Kind;
  constexpr long kTimeout = 408, kWantsPassword = 407, kTooMany = 429;
  if (status == kWantsPassword) {
    return proxy_fault(Kind::kProxy,
                       fmt::format("{} wants a user name and password, or other ones (status 407)",
                                   shown_proxy(proxy)));
  }
  const bool denies = status >= 400 && status <= 499 && status != kTimeout && status != kTooMany;
  return proxy_fault(denies ? Kind::kProxy : Kind::kConnect,
                     fmt::format("{} {} to the endpoint (status {})", shown_proxy(proxy),
                                 denies ? "refuses to connect" : "cannot connect", status));
}

std::optional<TransportFault> fault_of_proxy(const NamedProxy& proxy, const CurlFailure& failure) {
  using Kind = TransportFault::Kind;
  // libcurl's message quotes the whole value, with its password.
  if (is_in(failure.text, "nsupported proxy")) {
    return proxy_fault(Kind::kProxy,
                       fmt::format("the value of {} is no proxy's URL", proxy.variable));
  }
  if (failure.code == CURLE_COULDNT_RESOLVE_PROXY) {
    return proxy_fault(Kind::kDns, shown_proxy(proxy) + " has no address");
  }
  constexpr long kFirstGood = 200, kFirstBad = 300;
  const bool refused = failure.connect_status != 0 &&
                       (failure.connect_status < kFirstGood || failure.connect_status >= kFirstBad);
  if (refused) return fault_of_proxy_status(proxy, failure.connect_status);
  if (failure.code == CURLE_PROXY) {
    return proxy_fault(Kind::kConnect, fmt::format("{}: {}", shown_proxy(proxy), failure.text));
  }
  if (failed_to_reach(proxy, failure)) {
    return proxy_fault(Kind::kConnect,
                       fmt::format("{} cannot be reached: {}", shown_proxy(proxy), failure.text));
  }
  return std::nullopt;
}

}  // namespace alig
