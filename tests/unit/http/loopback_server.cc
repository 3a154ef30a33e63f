#include "loopback_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "auto_label_image_grounding/base/text.h"

namespace alig::testing {

Connection::Connection(int fd, SSL_CTX* context)
    : fd_(fd), ssl_(context == nullptr ? nullptr : SSL_new(context), SSL_free) {
  if (ssl_ != nullptr) SSL_set_fd(ssl_.get(), fd_);
}

Connection::~Connection() {
  ssl_.reset();
  ::close(fd_);
}

std::string Connection::read_some() {
  std::array<char, 65536> block;
  ssize_t got = 0;
  if (ssl_ != nullptr) {
    // The handshake belongs here, on the connection's thread, not on the acceptor's.
    if (!SSL_is_init_finished(ssl_.get()) && SSL_accept(ssl_.get()) != 1) return "";
    got = SSL_read(ssl_.get(), block.data(), static_cast<int>(block.size()));
  } else {
    got = ::recv(fd_, block.data(), block.size(), 0);
  }
  return got > 0 ? std::string(block.data(), static_cast<std::size_t>(got)) : "";
}

std::optional<ReceivedRequest> Connection::read_request() {
  std::size_t head_end = std::string::npos;
  while ((head_end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    const std::string more = read_some();
    if (more.empty()) return std::nullopt;
    buffer_ += more;
  }
  ReceivedRequest request;
  std::string_view head(buffer_.data(), head_end);
  request.start_line = head.substr(0, head.find("\r\n"));
  while (!head.empty()) {
    const std::string_view line = head.substr(0, head.find("\r\n"));
    head.remove_prefix(std::min(head.size(), line.size() + 2));
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    request.headers[ascii_lower(line.substr(0, colon))] = trim(line.substr(colon + 1));
  }
  buffer_.erase(0, head_end + 4);
  const std::size_t length = request.headers.count("content-length") == 0
                                 ? 0
                                 : std::stoul(request.headers["content-length"]);
  while (buffer_.size() < length) {
    const std::string more = read_some();
    if (more.empty()) return std::nullopt;
    buffer_ += more;
  }
  request.body = buffer_.substr(0, length);
  buffer_.erase(0, length);
  return request;
}

void Connection::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ssl_ != nullptr
                             ? SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()))
                             : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void Connection::answer(int status, std::string_view body, std::string_view headers) {
  std::string text = "HTTP/1.1 " + std::to_string(status) + " OK\r\n";
  text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  text += headers;
  text += "\r\n";
  text += body;
  write(text);
}

void Connection::wait_until_peer_closes() {
  while (!read_some().empty()) {
  }
}

void Connection::reset() {
  const linger now{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  const int replaced = ::socket(AF_INET, SOCK_STREAM, 0);
  ::dup2(replaced, fd_);  // closes the connection; the number stays ours
  ::close(replaced);
}

void Connection::shut_down() { ::shutdown(fd_, SHUT_RDWR); }

LoopbackServer::LoopbackServer(Script script, SSL_CTX* context)
    : script_(std::move(script)),
      context_(context),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener_, generic, size) != 0 || ::listen(listener_, 2048) != 0 ||
      ::getsockname(listener_, generic, &size) != 0) {
    throw std::runtime_error("no loopback socket");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

LoopbackServer::~LoopbackServer() {
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const auto& connection : open_) connection->shut_down();
  }
  for (std::thread& thread : threads_) thread.join();
  ::close(listener_);
}

void LoopbackServer::accept_all() {
  // SSL_write on a connection that the client gave up would end the program. Blocked on the
  // server's threads alone: what the client's thread does must show.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  for (;;) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    auto connection = std::make_shared<Connection>(fd, context_);
    const int number = ++accepted_;
    const std::lock_guard lock(mutex_);
    open_.push_back(connection);
    threads_.emplace_back([this, connection, number] {
      script_(*connection, number);
      connection->shut_down();
    });
  }
}

std::string LoopbackServer::url(std::string_view path) const {
  return (context_ == nullptr ? "http://127.0.0.1:" : "https://127.0.0.1:") +
         std::to_string(port_) + std::string(path);
}

LoopbackServer::Script always(std::string body) {
  return [body = std::move(body)](Connection& connection, int) {
    while (connection.read_request()) connection.answer(200, body);
  };
}

}  // namespace alig::testing
