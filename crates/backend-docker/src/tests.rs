mod launch;
mod list;
mod rest;
