// A scripted HTTP server on 127.0.0.1 that can also misbehave. Speaks TLS if given a context.
#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace alig::testing {

struct ReceivedRequest {
  std::string start_line;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

class Connection {
 public:
  Connection(int fd, SSL_CTX* context);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Nothing if the peer closed first.
  std::optional<ReceivedRequest> read_request();
  void write(std::string_view bytes);
  // "HTTP/1.1 <status> OK" with a Content-Length and the given header lines ("A: b\r\n").
  void answer(int status, std::string_view body, std::string_view headers = "");
  // Bytes that have arrived, at least one; empty at the end.
  std::string read_some();
  void wait_until_peer_closes();
  // Closes with a TCP reset.
  void reset();
  void shut_down();

 private:
  int fd_;
  std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
  std::string buffer_;
};

class LoopbackServer {
 public:
  // Called on a separate thread for each connection, with the connection's number from 1.
  using Script = std::function<void(Connection&, int)>;
  explicit LoopbackServer(Script script, SSL_CTX* context = nullptr);
  ~LoopbackServer();  // shuts all connections down and joins

  std::string url(std::string_view path = "/") const;
  int port() const { return port_; }
  int connections() const { return accepted_; }

 private:
  void accept_all();

  Script script_;
  SSL_CTX* context_;
  int listener_;
  int port_;
  std::atomic<int> accepted_{0};
  std::mutex mutex_;
  std::vector<std::shared_ptr<Connection>> open_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

// Answers every request on every connection with 200 and that body.
LoopbackServer::Script always(std::string body);

}  // namespace alig::testing
