// The proxy that requests go through, for messages: libcurl takes it from the environment, and says
// little about it when something is wrong.
#pragma once

#include <curl/curl.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "auto_label_image_grounding/http/transport.h"

namespace alig {

struct NamedProxy {
  std::string variable{};  // "HTTPS_PROXY"
  // Without the user name and password; empty if the variable's value is no URL.
  std::string host{}, port{};
};

// The proxy that the environment names for URLs with https or http, NO_PROXY left aside: in
// libcurl's order, https://curl.se/libcurl/c/CURLOPT_PROXY.html. `environment`: empty if unset.
std::optional<NamedProxy> find_proxy(bool https,
                                     const std::function<std::string(const char*)>& environment);

// How a request failed, in libcurl's terms.
struct CurlFailure {
  CURLcode code = CURLE_OK;
  long connect_status = 0;  // of the proxy's answer to CONNECT; 0: none
  std::string_view text{};  // libcurl's message
};

// The fault, if it is the proxy's: nothing if the endpoint is to blame. Never shows a password.
std::optional<TransportFault> fault_of_proxy(const NamedProxy& proxy, const CurlFailure& failure);

// Names the proxy in the fault of a plain http request that was sent through it: a proxy that
// refuses without reading the body resets the connection, and its answer is lost.
void name_proxy(const NamedProxy& proxy, TransportFault& fault);

// For an answer with status 407, which is the proxy's own.
TransportFault fault_of_proxy_status(const NamedProxy& proxy, long status);

}  // namespace alig
